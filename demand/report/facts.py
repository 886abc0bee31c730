"""Everything that the report of a run shows, gathered; what could not be had is named instead of failing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from demand.errors import DemandError, from_aws
from demand.rejects.stored import reasons_in_staging
from demand.runs import execution
from demand.runs.history import History
from demand.runs.report import Report
from demand.runs.report import report as summed_up
from demand.runs.tasks import Attempt, Outcome, Tasks
from demand.stack import Stack
from demand.warehouse import Warehouse
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.operating import ActionName, RejectReason, StatusAnswer, TableStatus
from demand_pipeline.errors import PipelineError

PREVIOUS_RUNS = 10
_REJECT_OBJECTS = 200  # read for the reasons, whatever the run's size
_SAMPLES = 3  # of each reason
# A report is passed on: no addresses, accounts or names of secrets.
_PRIVATE = ("Arn", "Arns", "Email", "Host", "Port", "Database", "Ids", "Id")


@dataclass(frozen=True)
class Change:
    """An attribute that is new, vanished or retyped since the table's run before."""

    table: str
    path: str
    change: str
    types: tuple[str, ...]
    items: int


@dataclass(frozen=True)
class Facts:
    """A run and its surroundings; None where something could not be had, which `missing` then says in a sentence."""

    made: datetime
    stack: str
    region: str
    run: execution.Run
    report: Report | None
    attempts: tuple[Attempt, ...]
    before: tuple[execution.Run, ...]
    warehouse: tuple[TableStatus, ...] | None
    reasons: tuple[RejectReason, ...] | None
    reasons_complete: bool
    drift: tuple[Change, ...] | None
    settings: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]

    @property
    def earlier_failures(self) -> tuple[Attempt, ...]:
        """Attempts that ended a round of the run, before it was redriven."""
        last = max((attempt.round for attempt in self.attempts), default=0)
        return tuple(
            attempt
            for attempt in self.attempts
            if attempt.outcome is Outcome.FAILED and not attempt.retried and attempt.round < last
        )


def gather(stack: Stack, run: execution.Run, ask: Callable[[], Warehouse], *, samples: bool) -> Facts:
    """Gather the facts of a run. `ask` opens the way to the warehouse; `samples` shows rejected items."""
    missing: list[str] = []
    attempts: list[Attempt] = []

    def history() -> Report:
        tasks = Tasks()
        tasks.add(History(stack.client("stepfunctions"), run.arn).update())
        attempts.extend(tasks.attempts)
        return summed_up(run, tasks)

    report = _attempt("the run's history", history, missing)
    status = _attempt("what the warehouse holds now", lambda: _status(ask()), missing)
    before = _attempt("earlier runs", lambda: _before(stack, run), missing)
    rejects = (
        _attempt("reasons of rejects", lambda: _reasons(stack, report, samples=samples), missing) if report else None
    )
    drift = _drift(run.output)
    if run.output is None:
        missing.append("drift: it is recorded by the load, which did not commit")
    elif drift is None:
        missing.append("drift: the deployed functions do not count it yet")
    return Facts(
        made=datetime.now(UTC),
        stack=stack.name,
        region=stack.region,
        run=run,
        report=report,
        attempts=tuple(attempts),
        before=before or (),
        warehouse=status,
        reasons=rejects[0] if rejects else None,
        reasons_complete=rejects[1] if rejects else True,
        drift=drift,
        settings=_settings(stack.parameters),
        versions=(("demand-pipeline", version("demand-pipeline")), ("contract", str(CONTRACT))),
        missing=tuple(missing),
    )


def _attempt[Found](what: str, find: Callable[[], Found], missing: list[str]) -> Found | None:
    """What `find` finds; where AWS, the warehouse or the staging bucket does not give it, a sentence that says why."""
    try:
        return find()
    except (DemandError, PipelineError) as error:
        missing.append(f"{what}: {error}")
    except (ClientError, BotoCoreError) as error:
        known = from_aws(error)
        missing.append(f"{what}: {known.message if known else error}")
    return None


def _status(warehouse: Warehouse) -> tuple[TableStatus, ...]:
    return warehouse.ask(StatusAnswer, ActionName.STATUS, countRows=False).tables


def _before(stack: Stack, run: execution.Run) -> tuple[execution.Run, ...]:
    """The runs that started before, newest first."""
    listed = execution.list_runs(stack, 10 * PREVIOUS_RUNS)
    return tuple(other for other in listed if other.started < run.started)[:PREVIOUS_RUNS]


def _reasons(stack: Stack, report: Report, *, samples: bool) -> tuple[tuple[RejectReason, ...], bool]:
    keys = report.staged_with_rejects
    part = replace(report, staged_with_rejects=keys[:_REJECT_OBJECTS])
    found = reasons_in_staging(stack, part, None, _SAMPLES if samples else 0)
    return found.reasons, len(keys) <= _REJECT_OBJECTS


def _drift(output: Mapping[str, Any] | None) -> tuple[Change, ...] | None:
    """What the load found, from the run's output; None if it says nothing of it."""
    changes = (output or {}).get("drift")
    if changes is None:
        return None
    return tuple(
        Change(change["table"], change["path"], change["change"], tuple(change["types"]), int(change["items"]))
        for change in changes
    )


def _settings(parameters: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    shown = {name: value for name, value in parameters.items() if not name.endswith(_PRIVATE)}
    return tuple(sorted(shown.items()))
