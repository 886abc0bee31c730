"""A history is read in few calls, and its events become attempts, tables and errors."""

import cProfile
import itertools
import json
import pstats
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demand.runs.history import History
from demand.runs.tables import progress
from demand.runs.tasks import Kind, Outcome, Tasks
from demand_pipeline.contracts.event import Run
from demand_pipeline.s3.staging import ChunkKind, chunk_key

START = datetime(2026, 11, 27, 3, tzinfo=UTC)
FOLDER = "runs/2026-11-27/run"
RUN = Run("run", "arn", START)


class States:
    """GetExecutionHistory as AWS documents it: pages in either order, tokens that lead on in one listing only."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._tokens: dict[str, tuple[dict[str, Any], list[Any]]] = {}

    def get_execution_history(self, **request: Any) -> dict[str, Any]:
        token = request.pop("nextToken", None)
        if token:
            expected, left = self._tokens.pop(token)
            assert expected == request
        else:
            left = list(reversed(self.events)) if request["reverseOrder"] else list(self.events)
        page, left = left[: request["maxResults"]], left[request["maxResults"] :]
        if not left:
            return {"events": page}
        self._tokens[str(len(left))] = (request, left)
        return {"events": page, "nextToken": str(len(left))}


def happen(states: States, count: int) -> None:
    first = len(states.events) + 1
    states.events += [{"id": number, "type": "WaitStateEntered"} for number in range(first, first + count)]


@pytest.mark.parametrize(("more", "calls"), [(0, 1), (1, 1), (99, 1), (101, 2), (1000, 10)])
def test_a_history_of_10000_events_takes_ten_calls_and_an_update_as_many_as_it_needs(more: int, calls: int) -> None:
    states = States()
    happen(states, 10_000)
    history = History(states, "arn")
    assert [event["id"] for event in history.update()] == list(range(1, 10_001))
    assert history.calls == 10
    happen(states, more)
    assert [event["id"] for event in history.update()] == list(range(10_001, 10_001 + more))
    assert history.calls == 10 + calls


def test_events_of_one_moment_that_are_listed_out_of_order_are_not_lost() -> None:
    states = States()
    happen(states, 1000)
    history = History(states, "arn")
    history.update()
    happen(states, 100)
    states.events[999], states.events[1000] = states.events[1000], states.events[999]
    assert [event["id"] for event in history.update()] == list(range(1001, 1101))


class Story:
    """Events of a run, each after the one that its branch had before."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def add(self, kind: str, before: int = 0, **details: Any) -> int:
        number = len(self.events) + 1
        when = START + timedelta(seconds=number)
        self.events.append({"id": number, "previousEventId": before, "type": kind, "timestamp": when, **details})
        return number

    def enter(self, state: str, before: int = 0) -> int:
        return self.add("TaskStateEntered", before, stateEnteredEventDetails={"name": state, "input": "{}"})

    def schedule(self, before: int, **payload: Any) -> int:
        arguments = json.dumps({"FunctionName": "arn:function", "Payload": payload})
        scheduled = self.add("TaskScheduled", before, taskScheduledEventDetails={"parameters": arguments})
        return self.add("TaskStarted", scheduled)

    def succeed(self, before: int, **answer: Any) -> int:
        output = json.dumps({"StatusCode": 200, "Payload": answer})
        done = self.add("TaskSucceeded", before, taskSucceededEventDetails={"output": output})
        return self.add("TaskStateExited", done, stateExitedEventDetails={"name": "any", "output": "{}"})

    def fail(self, before: int, error: str = "TransientError") -> int:
        return self.add("TaskFailed", before, taskFailedEventDetails={"error": error, "cause": "why"})

    def scan(self, table: str, segment: int, total: int, *, more: bool = False) -> int:
        begun = self.schedule(self.enter(f"Scan{table}"), table=table, segment=segment, totalSegments=total, chunk=0)
        keys = {"id": {"S": "secret"}} if more else None
        return self.succeed(begun, key=f"{FOLDER}/raw/{table}/{segment}/0-a.json.gz", items=10, readUnits=0.5, bytes=100, nextKeys=keys)  # fmt: skip

    def transform(self, table: str, segment: int, before: int, *, rejected: int = 0) -> int:
        begun = self.schedule(
            self.enter(f"Transform{table}", before), table=table, segment=segment, chunk=0, raw={"key": "raw"}
        )
        key = f"{FOLDER}/staged/{table}/{segment}/0-b.json.gz"
        return self.succeed(begun, key=key, scanned=10, staged=10 - rejected, rejected=rejected, sanitized=1, nextPage=None)  # fmt: skip

    @property
    def tasks(self) -> Tasks:
        tasks = Tasks()
        tasks.add(self.events)
        return tasks


def test_tables_come_from_the_tasks_also_those_that_nobody_declares_here() -> None:
    story = Story()
    first = story.scan("shipments", 0, 3)
    second = story.scan("shipments", 1, 3)  # in between, as segments run at the same time
    story.transform("shipments", 0, first, rejected=2)
    [table] = progress(story.tasks.attempts)
    assert (table.table, table.segments_total, table.segments_done, table.scanned) == ("shipments", 3, 1, 20)
    assert (table.staged, table.rejected, table.sanitized, table.read_units, table.chunks) == (8, 2, 1, 1.0, 1)
    assert [(segment.number, segment.state, segment.scanned) for segment in table.segments] == [
        (0, "done", 10),
        (1, "running", 10),
    ]
    assert table.share == pytest.approx(1 / 3)
    story.transform("shipments", 1, second)
    story.transform("shipments", 2, story.scan("shipments", 2, 3))
    [table] = progress(story.tasks.attempts)
    assert (table.is_done, table.share, table.converted) == (True, 1.0, 30)


def test_a_segment_with_more_is_not_done_after_its_first_chunk() -> None:
    story = Story()
    story.transform("cases", 0, story.scan("cases", 0, 1, more=True))
    [table] = progress(story.tasks.attempts)
    assert (table.segments[0].state, table.is_done) == ("running", False)


def test_an_attempt_that_was_retried_is_no_failure_of_its_segment() -> None:
    story = Story()
    begun = story.schedule(story.enter("ScanCases"), table="cases", segment=4, totalSegments=5, chunk=0)
    failed = story.fail(begun)
    [attempt] = story.tasks.attempts
    assert (attempt.outcome, attempt.error, attempt.retried) == (Outcome.FAILED, "TransientError", False)
    story.schedule(failed, table="cases", segment=4, totalSegments=5, chunk=0)
    first, second = story.tasks.attempts
    assert (first.retried, second.outcome, second.state) == (True, Outcome.RUNNING, "ScanCases")
    assert progress(story.tasks.attempts)[0].segments[0].state == "running"


@pytest.mark.parametrize(
    ("kind", "details", "error"),
    [
        ("TaskFailed", {"error": "StagingError", "cause": "why"}, "StagingError"),
        ("TaskTimedOut", {}, "States.Timeout"),
        ("TaskStartFailed", {"error": "Lambda.SdkClientException"}, "Lambda.SdkClientException"),
    ],
)
def test_every_way_to_fail_has_an_error(kind: str, details: dict[str, str], error: str) -> None:
    story = Story()
    begun = story.schedule(story.enter("ScanCases"), table="cases", segment=0, totalSegments=1, chunk=0)
    story.add(kind, begun, **{f"{kind[0].lower()}{kind[1:]}EventDetails": details})
    [attempt] = story.tasks.attempts
    assert (attempt.outcome, attempt.error) == (Outcome.FAILED, error)


def test_what_runs_when_the_run_ends_is_aborted_and_a_redrive_goes_on_in_the_next_round() -> None:
    story = Story()
    running = story.schedule(story.enter("ScanCases"), table="cases", segment=0, totalSegments=2, chunk=0)
    failing = story.schedule(story.enter("ScanCases"), table="cases", segment=1, totalSegments=2, chunk=0)
    story.fail(failing, "StagingError")
    story.add("TaskStateAborted", running)
    story.add("ExecutionFailed")
    [table] = progress(story.tasks.attempts)
    assert [segment.state for segment in table.segments] == ["aborted", "failed"]
    assert story.tasks.has_ended
    redriven = story.add("ExecutionRedriven")
    # Whether a redrive enters the state again, or only schedules its task: the event says what it is about.
    story.schedule(redriven, table="cases", segment=1, totalSegments=2, chunk=0)
    tasks = story.tasks
    assert [attempt.round for attempt in tasks.attempts] == [0, 0, 1]
    assert {attempt.state for attempt in tasks.attempts} == {"ScanCases"}
    assert [segment.state for segment in progress(tasks.attempts)[0].segments] == ["aborted", "running"]
    assert not tasks.has_ended


def test_states_that_copy_chunks_and_load_in_portions_are_understood() -> None:
    story = Story()
    prepare = story.schedule(story.enter("PrepareLoad"), step="prepare", tables=[])
    story.succeed(prepare, committed=True)
    chunk = {"key": chunk_key(RUN, ChunkKind.STAGED, "cases", 3, 7), "staged": 3, "rejected": 0}
    copied = story.schedule(story.enter("CopyChunk"), table="cases", chunk=chunk)
    story.succeed(copied, copied=True)
    again = story.schedule(story.enter("LoadWarehouse"), step="load", tables=[])
    exited = story.succeed(again, again=30)
    story.schedule(story.enter("LoadWarehouse", exited), step="load", tables=[])
    kinds = [(attempt.kind, attempt.outcome) for attempt in story.tasks.attempts]
    assert kinds == [
        (Kind.LOAD, Outcome.SUCCEEDED), (Kind.COPY, Outcome.SUCCEEDED), (Kind.LOAD, Outcome.SUCCEEDED), (Kind.LOAD, Outcome.RUNNING),
    ]  # fmt: skip
    [copy] = [attempt for attempt in story.tasks.attempts if attempt.kind is Kind.COPY]
    assert (copy.table, copy.segment, copy.chunk) == ("cases", 3, 7)


def test_summing_a_run_up_takes_calls_in_proportion_to_its_events() -> None:
    def calls(segments: int) -> int:
        story = Story()
        for table, segment in itertools.product(("cases", "metadata", "templates", "audit"), range(segments)):
            story.transform(table, segment, story.scan(table, segment, segments))
        profile = cProfile.Profile()
        tables = profile.runcall(lambda: progress(story.tasks.attempts))
        assert [table.is_done for table in tables] == [True] * 4
        return pstats.Stats(profile).total_calls  # type: ignore[attr-defined, no-any-return]  # its stub lacks it

    assert calls(80) < 2.1 * calls(40)
