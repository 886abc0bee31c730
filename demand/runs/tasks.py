"""A run's tasks, attempt by attempt, from the events of its history."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

_FAILURES = ("TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed")
_STAGED_KEY = re.compile(r"/(\d+)/(\d+)-[^/]*$")  # demand_pipeline.s3.staging: …/segment/chunk-attempt.json.gz
_REDRIVEN = "ExecutionRedriven"
_ENDS = ("ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut", "ExecutionSucceeded", _REDRIVEN)


class Kind(StrEnum):
    """The kind of a task, derived from its event, since names of states may change."""

    DESCRIBE = "describe"
    SCAN = "scan"
    TRANSFORM = "transform"
    COPY = "copy"
    LOAD = "load"


class Outcome(StrEnum):
    """The outcome of an attempt."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a task. `round` counts the redrives before it; `retried` means that another attempt followed."""

    kind: Kind
    state: str
    table: str | None
    segment: int | None
    chunk: int | None
    started: datetime
    request: Mapping[str, Any] = field(repr=False)
    round: int = 0
    ended: datetime | None = None
    outcome: Outcome = Outcome.RUNNING
    answer: Mapping[str, Any] = field(default_factory=dict, repr=False)
    error: str | None = None
    cause: str | None = None
    retried: bool = False

    @property
    def seconds(self) -> float | None:
        """The attempt's duration; None while it runs."""
        return None if self.ended is None else (self.ended - self.started).total_seconds()


class Tasks:
    """The attempts of a run, updated event by event. `round` counts the redrives so far."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.states_entered = 0
        self._attempt_of: dict[int, int] = {}  # by event: the attempt that it belongs to
        self._state_of: dict[int, str] = {}  # by event: the state that it happened in
        self._states: dict[tuple[Kind, Any, Any], str] = {}  # names of states, by what their tasks are about
        self.round = 0
        self.has_ended = False

    def add(self, events: Iterable[Any]) -> None:
        """Add events, in order. Each event names its predecessor in its branch, which ties it to a task."""
        for event in events:
            self._add(event, event["id"], event.get("previousEventId", 0), event["type"])

    def _add(self, event: Any, number: int, before: int, kind: str) -> None:
        if kind.endswith("StateEntered"):
            self.states_entered += 1
            self._state_of[number] = event["stateEnteredEventDetails"]["name"]
            return
        if before in self._state_of:
            self._state_of[number] = self._state_of[before]
        if kind == "TaskScheduled":
            self._schedule(event, number, before)
            return
        if kind in _ENDS:
            self._abort_what_runs(event["timestamp"])
            self.has_ended = kind != _REDRIVEN
            self.round += kind == _REDRIVEN
            return
        if before not in self._attempt_of:
            return
        index = self._attempt_of[number] = self._attempt_of[before]
        if kind == "TaskSucceeded":
            answer = _object(event["taskSucceededEventDetails"].get("output"))
            self._end(index, event, Outcome.SUCCEEDED, answer=answer.get("Payload", answer))
        elif kind in _FAILURES:
            details = event.get(f"{kind[0].lower()}{kind[1:]}EventDetails", {})
            error = details.get("error") or ("States.Timeout" if kind == "TaskTimedOut" else kind)
            self._end(index, event, Outcome.FAILED, error=error, cause=details.get("cause"))
        elif kind == "TaskStateAborted" and self.attempts[index].outcome is Outcome.RUNNING:
            self._end(index, event, Outcome.ABORTED)

    def _schedule(self, event: Any, number: int, before: int) -> None:
        if before in self._attempt_of:  # the attempt that failed just before
            index = self._attempt_of[before]
            self.attempts[index] = replace(self.attempts[index], retried=True)
        parameters = _object(event["taskScheduledEventDetails"].get("parameters"))
        payload = parameters.get("Payload", {})
        request = payload if isinstance(payload, dict) and payload else parameters
        self._attempt_of[number] = len(self.attempts)
        kind = _kind(request)
        segment, chunk = _part(request)
        task = (kind, request.get("table"), request.get("step"))
        state = self._state_of.get(number) or self._states.get(task) or kind.capitalize()
        self._states[task] = state  # a redrive may schedule the task without entering its state again
        self.attempts.append(
            Attempt(
                kind=kind,
                state=state,
                table=request.get("table"),
                segment=segment,
                chunk=chunk,
                started=event["timestamp"],
                request=request,
                round=self.round,
            )
        )

    def _end(self, index: int, event: Any, outcome: Outcome, **more: Any) -> None:
        self.attempts[index] = replace(self.attempts[index], ended=event["timestamp"], outcome=outcome, **more)

    def _abort_what_runs(self, when: datetime) -> None:
        for index, attempt in enumerate(self.attempts):
            if attempt.outcome is Outcome.RUNNING:
                self.attempts[index] = replace(attempt, ended=when, outcome=Outcome.ABORTED)


def place(state: str, segment: int | None, chunk: int | None) -> str:
    """Return a task as text: its state, and the part of the table that it works on."""
    numbers = [f"{name} {number}" for name, number in (("segment", segment), ("chunk", chunk)) if number is not None]
    return ", ".join([state, *numbers])


def _kind(request: Mapping[str, Any]) -> Kind:
    """Return the kind of a request: the fields of `demand_pipeline.contracts` distinguish the functions."""
    if "TableName" in request:
        return Kind.DESCRIBE
    if "totalSegments" in request:
        return Kind.SCAN
    if "raw" in request:
        return Kind.TRANSFORM
    return Kind.LOAD if "tables" in request else Kind.COPY


def _part(request: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return the task's segment and chunk, if any: a copy identifies its chunk by the key of the staged object."""
    chunk = request.get("chunk")
    if isinstance(chunk, dict):
        found = _STAGED_KEY.search(str(chunk.get("key")))
        return (int(found[1]), int(found[2])) if found else (None, None)
    return _number(request.get("segment")), _number(chunk)


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:  # AWS truncates values that are too long to store
        return {}
    return value if isinstance(value, dict) else {}
