"""Why a run failed: the error, its place, its cure from `demand_pipeline.cures`, and the commands to continue with."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from demand.runs.execution import Run
from demand.runs.options import is_accepted, pasted, to_options
from demand.runs.tasks import Attempt, Outcome, place
from demand_pipeline.cure import READING, Cure, Then
from demand_pipeline.cures import STOPPED, cure_of_run


@dataclass(frozen=True)
class Failure:
    """One error of a run, with its cure.

    `first` are commands that only read. Each command of `next` alone continues the run. `then` also lists steps
    without a command, because a person must choose values.
    """

    error: str
    message: str
    state: str | None
    table: str | None
    segment: int | None
    chunk: int | None
    meaning: str
    action: str
    then: tuple[Then, ...]
    first: tuple[str, ...]
    next: tuple[str, ...]

    @property
    def place(self) -> str:
        """The place of the error, as text."""
        return place(self.state or "the run", self.segment, self.chunk)


def failures(run: Run, attempts: Sequence[Attempt]) -> tuple[Failure, ...]:
    """Return the errors that ended the run, the last one of each task, the run's own first; empty while it runs."""
    if run.is_running or run.output is not None:
        return ()
    last_round = max((attempt.round for attempt in attempts), default=0)
    failed = [
        attempt
        for attempt in attempts
        if attempt.outcome is Outcome.FAILED and not attempt.retried and attempt.round == last_round
    ]
    failed.sort(key=lambda attempt: (attempt.error != run.error, attempt.cause != run.cause))
    if any(attempt.error == run.error for attempt in failed):
        return tuple(_of_task(run, attempt) for attempt in failed)
    # Not a task's error: the input was refused, the run timed out or was stopped, or a state's data grew too large.
    error = run.error or {"TIMED_OUT": "States.Timeout", "ABORTED": "Stopped"}.get(run.status, run.status)
    return (_failure(run, error, run.cause), *(_of_task(run, attempt) for attempt in failed))


def message_of(cause: str | None) -> str:
    """Return a cause in one line; a cause of Lambda is JSON that contains the exception's message."""
    try:
        found = json.loads(cause or "")
    except ValueError:
        found = None
    text = found.get("errorMessage") if isinstance(found, dict) else cause
    return " ".join(str(text or "").split())


def _of_task(run: Run, attempt: Attempt) -> Failure:
    return _failure(run, attempt.error or "", attempt.cause, attempt)


def _failure(run: Run, error: str, cause: str | None, attempt: Attempt | None = None) -> Failure:
    cure = STOPPED if error == "Stopped" and run.status == "ABORTED" else cure_of_run(error)
    return Failure(
        error=error,
        message=message_of(cause),
        state=attempt.state if attempt else None,
        table=attempt.table if attempt else None,
        segment=attempt.segment if attempt else None,
        chunk=attempt.chunk if attempt else None,
        meaning=cure.meaning,
        action=cure.action,
        then=cure.then,
        first=commands(run, cure, reading=True),
        next=commands(run, cure, reading=False),
    )


def commands(run: Run, cure: Cure, *, reading: bool) -> tuple[str, ...]:
    """Return the complete commands of a cure's ways: commands that only read, or commands that continue the run.

    A person must set some fields, such as a limit. If this run's input contains one of them, no new run is offered.
    """
    chosen = any(field in run.input for way in cure.ways for field in way.fields)
    ways = [way for way in cure.ways if (way.then in READING) == reading and not way.fields]
    ways = [way for way in ways if way.then is not Then.NEW_RUN or not chosen]
    words = [_COMMANDS[way.then](run) for way in ways if way.then in _COMMANDS]
    return tuple(dict.fromkeys([pasted(*found) for found in words if found]))


_COMMANDS: Mapping[Then, Callable[[Run], tuple[str, ...]]] = {
    Then.REJECTS: lambda run: ("rejects", run.name),
    Then.LOGS: lambda run: ("logs", run.name, "--errors"),
    Then.REDRIVE: lambda run: ("redrive", run.name) if run.redrivable else (),
    Then.NEW_RUN: lambda run: ("run", *to_options(run.input)) if is_accepted(run.input) else (),
}
