"""Why a run failed: the error, its place, its cure from `demand_pipeline.cures`, and the command to go on with."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from demand.runs.execution import Run
from demand.runs.options import OPTIONS, to_options
from demand.runs.tasks import Attempt, Outcome, place
from demand_pipeline.cures import OTHERS, cure


@dataclass(frozen=True)
class Failure:
    """One error of a run. `meaning` and `action` are the cure's, `next` the commands that it comes down to."""

    error: str
    message: str
    state: str | None
    table: str | None
    segment: int | None
    chunk: int | None
    meaning: str
    action: str
    next: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it happened, in words."""
        return place(self.state or "the run", self.segment, self.chunk)


def failures(run: Run, attempts: Sequence[Attempt]) -> tuple[Failure, ...]:
    """The errors that ended the run, each task's last one; the run's own comes first. None while it runs."""
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
    # No task's: the input was refused, the whole run timed out or was stopped, or a state's data grew too large.
    error = run.error or {"TIMED_OUT": "States.Timeout", "ABORTED": "Stopped"}.get(run.status, run.status)
    return (_failure(run, error, run.cause), *(_of_task(run, attempt) for attempt in failed))


def message_of(cause: str | None) -> str:
    """A cause in one line: Lambda's is JSON with the exception's message in it."""
    try:
        found = json.loads(cause or "")
    except ValueError:
        found = None
    text = found.get("errorMessage") if isinstance(found, dict) else cause
    return " ".join(str(text or "").split())


def _of_task(run: Run, attempt: Attempt) -> Failure:
    return _failure(run, attempt.error or "", attempt.cause, attempt)


def _failure(run: Run, error: str, cause: str | None, attempt: Attempt | None = None) -> Failure:
    found = cure(error)
    if error == "Stopped" and run.status == "ABORTED":
        meaning, action = "somebody stopped the run", "redrive, or let the next run refresh the warehouse"
    elif found:
        meaning, action = found.meaning, found.action
    else:
        meaning, action = "a Python exception that has no name of its own here: our bug", OTHERS
    return Failure(
        error=error,
        message=message_of(cause),
        state=attempt.state if attempt else None,
        table=attempt.table if attempt else None,
        segment=attempt.segment if attempt else None,
        chunk=attempt.chunk if attempt else None,
        meaning=meaning,
        action=action,
        next=next_commands(run, action),
    )


def next_commands(run: Run, action: str) -> tuple[str, ...]:
    """The commands that a cure's action names, in its order: a redrive, a new run with the options that it mentions."""
    found: dict[int, str] = {}
    if "redrive" in action and run.redrivable:
        found[action.index("redrive")] = f"demand redrive {run.name}"
    if match := re.search(r"new runs?\b|let the next run", action):
        mentioned = [field for field in OPTIONS if f"`{field}`" in action]
        kept = {field: value for field, value in run.input.items() if field not in mentioned}
        words = [OPTIONS[field] if field == "force" else f"{OPTIONS[field]} …" for field in mentioned]
        found[match.start()] = " ".join(["demand run", *to_options(kept), *words])
    return tuple(found[place] for place in sorted(found))
