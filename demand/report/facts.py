"""Gathers the facts for the report of a run, and lists missing facts instead of failing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

from botocore.exceptions import BotoCoreError, ClientError

from demand.drift import Drift, drift
from demand.errors import DemandError, error_code, from_aws
from demand.rejects.stored import reasons_in_staging
from demand.runs import execution
from demand.runs.history import History
from demand.runs.recorded import recorded_runs
from demand.runs.report import Report
from demand.runs.report import report as summed_up
from demand.runs.state import InWarehouse, find_state
from demand.runs.tasks import Attempt, Kind, Outcome, Tasks
from demand.stack import Stack
from demand.warehouse import Warehouse
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.operating.rejects import RejectReason
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.contracts.operating.status import StatusAnswer, TableStatus
from demand_pipeline.errors import PipelineError

PREVIOUS_RUNS = 10
_REJECT_OBJECTS = 200  # read for the reasons, whatever the run's size
_SAMPLES = 3  # of each reason
# A report is shared, so it contains no addresses, accounts or names of secrets.
_PRIVATE = ("Arn", "Arns", "Email", "Host", "Port", "Database", "Ids", "Id")


@dataclass(frozen=True)
class Facts:
    """A run and its surroundings. A missing fact is None, with a sentence in `missing`."""

    made: datetime
    stack: str
    region: str
    run: execution.Run
    state: InWarehouse
    report: Report | None
    attempts: tuple[Attempt, ...]
    before: tuple[execution.Run, ...]
    warehouse: tuple[TableStatus, ...] | None
    reasons: tuple[RejectReason, ...] | None
    reasons_complete: bool
    drift: Drift | None
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

    def limit(self, field: str) -> float | None:
        """Return a limit of this run in percent, from its load's input: the stack's limit may have changed."""
        loads = [attempt.request for attempt in self.attempts if attempt.kind is Kind.LOAD]
        return next((float(request[field]) for request in loads if field in request), None)

    def over_reject_limit(self, rejected: int, scanned: int) -> bool:
        """Whether a table has more rejects than the run allows. Before the load there is no limit."""
        limit = self.limit("maxRejectPercent")
        return limit is not None and rejected * 100 > limit * scanned


def gather(stack: Stack, run: execution.Run, ask: Callable[[], Warehouse], *, samples: bool) -> Facts:
    """Gather the facts of a run. `ask` returns the warehouse; `samples` includes rejected items."""
    missing = _Missing()
    attempts: list[Attempt] = []

    def history() -> Report:
        tasks = Tasks()
        tasks.add(History(stack.client("stepfunctions"), run.arn).update())
        attempts.extend(tasks.attempts)
        return summed_up(run, tasks)

    report = missing.unless("the run's history", history)
    rejects = missing.unless("reasons of rejects", lambda: _reasons(stack, report, samples=samples)) if report else None
    state = find_state(ask, run)
    changes = None
    if run.committed if state.is_committed is None else state.committed_at:
        changes = missing.unless("drift", lambda: drift(ask(), run.name))
    else:
        missing.add("drift", "it is recorded at a commit, and this run is not committed")
    return Facts(
        made=datetime.now(UTC),
        stack=stack.name,
        region=stack.region,
        run=run,
        state=state,
        report=report,
        attempts=tuple(attempts),
        before=missing.unless("earlier runs", lambda: _before(stack, run, ask)) or (),
        warehouse=missing.unless("the current state of the warehouse", lambda: _status(ask())),
        reasons=rejects[0] if rejects else None,
        reasons_complete=rejects[1] if rejects else True,
        drift=changes,
        settings=_settings(stack.parameters),
        versions=(("demand-pipeline", version("demand-pipeline")), ("contract", str(CONTRACT))),
        missing=missing.sentences(),
    )


class _Missing:
    """Missing facts by reason."""

    def __init__(self) -> None:
        self._whats: dict[str, list[str]] = {}

    def add(self, what: str, reason: str) -> None:
        self._whats.setdefault(reason, []).append(what)

    def unless[Found](self, what: str, find: Callable[[], Found]) -> Found | None:
        """Return the result of `find`; None if AWS, the warehouse or the staging bucket refuses it."""
        try:
            return find()
        except (DemandError, PipelineError) as error:
            self.add(what, str(error))
        except ClientError as error:
            known = from_aws(error)
            gone = error_code(error) == "ExecutionDoesNotExist"
            self.add(what, "Step Functions keeps it for 90 days" if gone else known.message if known else str(error))
        except BotoCoreError as error:
            known = from_aws(error)
            self.add(what, known.message if known else str(error))
        return None

    def sentences(self) -> tuple[str, ...]:
        return tuple(f"{', '.join(whats)}: {reason}" for reason, whats in self._whats.items())


def _before(stack: Stack, run: execution.Run, ask: Callable[[], Warehouse]) -> tuple[execution.Run, ...]:
    """Return earlier committed runs, newest first: the warehouse keeps them longer than Step Functions."""
    try:
        return recorded_runs(ask(), before=run.started, most=PREVIOUS_RUNS)
    except DemandError:
        listed = execution.list_runs(stack, 2 * PREVIOUS_RUNS)
        return tuple(other for other in listed if other.committed and other.started < run.started)[:PREVIOUS_RUNS]


def _status(warehouse: Warehouse) -> tuple[TableStatus, ...]:
    return warehouse.ask(StatusAnswer, ActionName.STATUS, countRows=False).tables


def _reasons(stack: Stack, report: Report, *, samples: bool) -> tuple[tuple[RejectReason, ...], bool]:
    keys = report.staged_with_rejects
    part = replace(report, staged_with_rejects=keys[:_REJECT_OBJECTS])
    found = reasons_in_staging(stack, part, None, _SAMPLES if samples else 0)
    return found.reasons, len(keys) <= _REJECT_OBJECTS


def _settings(parameters: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    shown = {name: value for name, value in parameters.items() if not name.endswith(_PRIVATE)}
    return tuple(sorted(shown.items()))
