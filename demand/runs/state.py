"""The state of a run in the warehouse, which an execution does not record after its load."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from demand.errors import DemandError, from_aws
from demand.runs.execution import Run
from demand.warehouse import Warehouse
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.contracts.operating.runs import RecordedRun, RunsAnswer
from demand_pipeline.errors import PipelineError

_ROLLED_BACK = "rolled back"  # in pipeline_runs.status
_SAME_START = timedelta(
    days=1
)  # Step Functions keeps a name unique for 90 days only; a later namesake is a different run


class State(StrEnum):
    """The state of a run in the warehouse."""

    COMMITTED = "committed"
    SUPERSEDED = "superseded"
    ROLLED_BACK = "rolled back"
    NOT_COMMITTED = "not committed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class InWarehouse:
    """The state of a run in the warehouse.

    `later_runs` are the runs whose rows are in its tables instead. `rolled_back_by` is the name given to the command.
    `reason` is the reason for the rollback, or for an unknown state.
    """

    state: State
    committed_at: datetime | None = None
    later_runs: tuple[str, ...] = ()
    rolled_back_at: datetime | None = None
    rolled_back_by: str | None = None
    reason: str | None = None

    @property
    def is_committed(self) -> bool | None:
        """Whether the run is committed and was not rolled back; None if it is unknown."""
        return None if self.state is State.UNKNOWN else self.state in (State.COMMITTED, State.SUPERSEDED)

    @property
    def sentence(self) -> str:
        """The state for people."""
        later = ", ".join(self.later_runs)
        match self.state:
            case State.COMMITTED if later:
                return f"The warehouse contains rows of this run. Some of its tables contain the rows of {later}."
            case State.COMMITTED:
                return "The warehouse contains the rows of this run."
            case State.SUPERSEDED:
                return f"This run was committed, but its tables now contain the rows of {later}."
            case State.ROLLED_BACK:
                when = f"{self.rolled_back_at:%Y-%m-%d %H:%M:%S} UTC" if self.rolled_back_at else "an unknown time"
                by = f"said to be by {self.rolled_back_by or 'nobody'}"
                return f"This run was committed, and rolled back at {when}, {by}, because: {self.reason or '-'}"
            case State.NOT_COMMITTED:
                return "This run is not committed. The warehouse does not contain its rows."
            case State.UNKNOWN:
                return f"It is unknown whether the warehouse contains the rows of this run: {self.reason}"


def find_states(ask: Callable[[], Warehouse], runs: Sequence[Run]) -> dict[str, InWarehouse]:
    """Return the state of each run by its name, from a single question; unknown if it fails."""
    if not runs:
        return {}
    try:
        names = [run.name for run in runs]
        answer = ask().ask(RunsAnswer, ActionName.RUNS, runs=names, before=None, most=len(names))
    except (DemandError, PipelineError, ClientError, BotoCoreError) as error:
        reason = str(from_aws(error) or error)
        return {run.name: InWarehouse(State.UNKNOWN, reason=reason) for run in runs}
    absent = InWarehouse(State.NOT_COMMITTED)
    if not answer.complete:
        absent = InWarehouse(State.UNKNOWN, reason="the answer cannot contain so many runs")
    return {run.name: _state(run, answer.runs) or absent for run in runs}


def find_state(ask: Callable[[], Warehouse], run: Run) -> InWarehouse:
    """The state of one run."""
    return find_states(ask, [run])[run.name]


def _state(run: Run, recorded: Iterable[RecordedRun]) -> InWarehouse | None:
    for found in recorded:
        started = datetime.fromisoformat(found.started_at)
        if found.arn == run.arn and abs(started - run.started) < _SAME_START:
            return _of(found)
    return None


def _of(found: RecordedRun) -> InWarehouse:
    committed_at = datetime.fromisoformat(found.committed_at)
    if found.status == _ROLLED_BACK:
        when = datetime.fromisoformat(found.rolled_back_at) if found.rolled_back_at else None
        by, reason = found.rolled_back_by, found.rolled_back_reason
        return InWarehouse(State.ROLLED_BACK, committed_at, found.replaced_by, when, by, reason)
    state = State.COMMITTED if found.holds or not found.replaced_by else State.SUPERSEDED
    return InWarehouse(state, committed_at, found.replaced_by)
