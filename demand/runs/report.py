"""The report of a run: its tables, load, errors, slowest steps and cost. Every command shows parts of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count, takewhile
from typing import Any, Self

from botocore.exceptions import ClientError

from demand.errors import error_code
from demand.runs.cost import Cost, cost
from demand.runs.execution import Run, describe
from demand.runs.failure import Failure, failures, message_of
from demand.runs.history import History
from demand.runs.tables import TableProgress, progress
from demand.runs.tasks import Attempt, Kind, Outcome, Tasks, place
from demand.stack import Stack

_LATE_POLLS = 10  # AWS: DescribeExecution and the history may lag behind
_SLOWEST = 5


@dataclass(frozen=True)
class Step:
    """A slow task: its state, the part of the table, and the total seconds of its attempts."""

    state: str
    table: str | None
    segment: int | None
    chunk: int | None
    attempts: int
    seconds: float

    @classmethod
    def of(cls, attempts: Sequence[Attempt]) -> Self:
        """Sum up the attempts at one task."""
        last = attempts[-1]
        seconds = sum(attempt.seconds or 0 for attempt in attempts)
        return cls(last.state, last.table, last.segment, last.chunk, len(attempts), seconds)

    @property
    def place(self) -> str:
        """The step as text, such as `ScanCases, segment 3`."""
        return place(self.state, self.segment, self.chunk)


@dataclass(frozen=True)
class Load:
    """The load: `state` is a word; chunks are counted where they are copied one by one before it.

    `attempt` counts the attempts at its present task. `problem` is the error of the last one, with its message, or what
    a load that is to be called again has left.
    """

    state: str
    chunks_copied: int
    chunks: int
    calls: int
    attempt: int
    problem: str | None
    started: datetime | None
    seconds: float


@dataclass(frozen=True)
class Report:
    """All information from the history of a run."""

    run: Run
    tables: tuple[TableProgress, ...]
    load: Load
    failures: tuple[Failure, ...]
    slowest: tuple[Step, ...]
    retries: int
    cost: Cost
    staged_with_rejects: tuple[str, ...]  # keys of staged chunks with rejects
    history_complete: bool

    @property
    def rejected(self) -> int:
        """Rejects of all tables."""
        return sum(table.rejected for table in self.tables)


def read(stack: Stack, run: Run) -> Report:
    """Read a run's history once."""
    tasks = Tasks()
    tasks.add(History(stack.client("stepfunctions"), run.arn).update())
    return report(run, tasks)


def follow(stack: Stack, run: Run, pause: Any, redrives: int = 0) -> Iterator[Report]:
    """Yield a report now and after every pause, until the run has ended and its history is complete.

    `redrives` is the number of redrives after which the run's end counts.
    """
    history, tasks = History(stack.client("stepfunctions"), run.arn), Tasks()
    for late in count():
        try:
            run = describe(stack, run.arn)
            tasks.add(history.update())
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist" or late > _LATE_POLLS:
                raise
        yield report(run, tasks)
        if not run.is_running and run.redrives >= redrives:
            break
        pause()
    for _ in range(_LATE_POLLS):
        if tasks.has_ended:
            return
        pause()
        tasks.add(history.update())
        yield report(run, tasks)


def report(run: Run, tasks: Tasks) -> Report:
    """Sum up a run and the tasks of its history."""
    attempts = tasks.attempts
    tables = progress(attempts, run.input.get("maxItems"))
    succeeded = [attempt for attempt in attempts if attempt.outcome is Outcome.SUCCEEDED]
    return Report(
        run=run,
        tables=tables,
        load=_load(run, tasks, sum(table.chunks for table in tables)),
        failures=failures(run, attempts),
        slowest=_slowest(attempts),
        retries=sum(attempt.retried or (run.is_running and _is_to_be_retried(attempt, tasks)) for attempt in attempts),
        cost=cost(attempts, tasks.states_entered),
        staged_with_rejects=tuple(
            attempt.answer["key"]
            for attempt in succeeded
            if attempt.kind is Kind.TRANSFORM and attempt.answer.get("rejected")
        ),
        history_complete=tasks.has_ended,
    )


def _is_to_be_retried(attempt: Attempt, tasks: Tasks) -> bool:
    """Whether an attempt of an active run has failed since the last redrive, so that another one follows."""
    return attempt.outcome is Outcome.FAILED and attempt.round == tasks.round


def _load(run: Run, tasks: Tasks, chunks: int) -> Load:
    copies = [attempt for attempt in tasks.attempts if attempt.kind is Kind.COPY]
    loads = [attempt for attempt in tasks.attempts if attempt.kind is Kind.LOAD]
    own = [*copies, *loads]
    current = [attempt for attempt in loads if attempt.round == tasks.round]
    failed = list(takewhile(lambda attempt: attempt.outcome is Outcome.FAILED, _ended(current)))
    return Load(
        state=_load_state(run, own, tasks.round),
        chunks_copied=sum(attempt.outcome is Outcome.SUCCEEDED for attempt in copies),
        chunks=chunks,
        calls=len(loads),
        attempt=len(failed) + 1,
        problem=_problem(current, failed) if run.is_running else None,
        started=min((attempt.started for attempt in own), default=None),
        seconds=sum(attempt.seconds or 0 for attempt in loads),
    )


def _ended(loads: Sequence[Attempt]) -> list[Attempt]:
    """The attempts that have ended, the last one first."""
    return [attempt for attempt in reversed(loads) if attempt.outcome is not Outcome.RUNNING]


def _problem(loads: Sequence[Attempt], failed: Sequence[Attempt]) -> str | None:
    if failed:
        return f"{failed[0].error}: {message_of(failed[0].cause)}"
    return loads[-1].answer.get("reason") if loads else None


def _load_state(run: Run, own: Sequence[Attempt], current_round: int) -> str:
    if run.committed is not None:
        return "done" if run.committed else "done (dry run)"
    last = max(own, key=lambda attempt: attempt.started, default=None)
    if last is None or last.round < current_round:
        return "waiting" if run.is_running else "not reached"
    if not run.is_running:
        return str(last.outcome) if last.outcome in (Outcome.FAILED, Outcome.ABORTED) else "aborted"
    if last.kind is Kind.LOAD and last.outcome is Outcome.FAILED:
        return "waiting to try again"
    if last.kind is Kind.COPY or last.request.get("step") == "prepare":
        return "copying" if last.kind is Kind.COPY else "preparing"
    return "waiting to continue" if "again" in last.answer else "loading"


def _slowest(attempts: Sequence[Attempt]) -> tuple[Step, ...]:
    by_task: dict[tuple[str, str | None, int | None, int | None], list[Attempt]] = {}
    for attempt in attempts:
        by_task.setdefault((attempt.state, attempt.table, attempt.segment, attempt.chunk), []).append(attempt)
    steps = [Step.of(those) for those in by_task.values()]
    return tuple(sorted(steps, key=lambda step: -step.seconds)[:_SLOWEST])
