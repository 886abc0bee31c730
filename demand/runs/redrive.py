"""The plan of a redrive: the segments that it keeps, and the calls that it repeats."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from demand.errors import DemandError, error_code, error_message
from demand.runs.execution import Run, list_runs
from demand.runs.options import pasted, wanted_tables
from demand.runs.report import Report
from demand.runs.state import InWarehouse, State
from demand.stack import Stack
from demand_pipeline.cure import Then
from demand_pipeline.cures import cure_of_run

_LATER_RUNS = 20  # searched for one that makes this run stale
_NO_BRANCH_KEPT = "States.DataLimitExceeded"  # Step Functions: after it, the whole Map or Parallel runs again


@dataclass(frozen=True)
class Again:
    """A table in the plan: the segments that are kept, the segments called again, and the number of new ones."""

    table: str
    kept: tuple[int, ...]
    again: tuple[int, ...]
    first_time: int | None
    kept_items: int


@dataclass(frozen=True)
class Plan:
    """A redrive. `warnings` are reasons why it may fail again."""

    run: str
    tables: tuple[Again, ...]
    load: str
    warnings: tuple[str, ...]


def plan(stack: Stack, report: Report, warehouse: InWarehouse) -> Plan:
    """Return the plan of a run's redrive; raises DemandError if it cannot be redriven."""
    run = report.run
    if not run.redrivable:
        reason = run.redrive_refusal or f"it is {run.status}"
        raise DemandError("NotRedrivable", f"run {run.name} cannot be redriven: {reason}", pasted("show", run.name))
    whole = run.error == _NO_BRANCH_KEPT
    found = {table.table: table for table in report.tables}
    tables = []
    for name in wanted_tables(run.input):
        table = found.get(name)
        segments = table.segments if table else ()
        done = () if whole else tuple(segment for segment in segments if segment.state == "done")
        total = table.segments_total if table else None
        tables.append(
            Again(
                table=name,
                kept=tuple(segment.number for segment in done),
                again=tuple(segment.number for segment in segments if segment not in done),
                first_time=None if total is None else total - len(segments),
                kept_items=sum(segment.staged + segment.rejected for segment in done),
            )
        )
    return Plan(run.name, tuple(tables), _load(report), tuple(_warnings(stack, report, warehouse)))


def redrive(stack: Stack, run: Run) -> None:
    """Redrive a run; raises DemandError with AWS's reason if that is impossible."""
    try:
        stack.client("stepfunctions").redrive_execution(executionArn=run.arn)
    except ClientError as error:
        if error_code(error) != "ExecutionNotRedrivable":
            raise
        raise DemandError("NotRedrivable", f"run {run.name} cannot be redriven: {error_message(error)}") from None


def _load(report: Report) -> str:
    load = report.load
    if load.started is None:
        return "runs for the first time, when all tables are staged"
    if load.chunks_copied:
        return f"runs again; {load.chunks_copied} of {load.chunks} chunks are already copied"
    return "runs again"


def _warnings(stack: Stack, report: Report, warehouse: InWarehouse) -> list[str]:
    run = report.run
    if warehouse.is_committed:
        return [f"run {run.name} is already committed: the load changes nothing, and the run succeeds"]
    if warehouse.state is State.ROLLED_BACK:
        return [f"run {run.name} was rolled back, so the load would fail with RunRolledBackError: start a new run"]
    warnings = []
    later = [other.name for other in list_runs(stack, _LATER_RUNS) if other.started > run.started and other.committed]
    if later and not run.input.get("force"):
        warnings.append(
            f"run {later[0]} started later and is already committed, so the load would fail with StaleRunError"
        )
    cure = cure_of_run(run.error or "")
    if run.error and Then.REDRIVE not in cure.then:
        warnings.append(f"a redrive does not help after {run.error}: {cure.action}")
    return warnings
