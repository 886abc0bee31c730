"""Step Functions' limits: 25,000 events a run and 256 KiB a payload, whatever the size of the tables."""

import heapq
import json
import random
from functools import cache
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from scripts.state_machine import REPAIR_EVENTS, share
from tests.statemachine.fakes import handlers, sized
from tests.statemachine.harness import SUBSTITUTIONS, Machine, definition
from tests.statemachine.lint import states

# The largest run takes seconds to make: one worker makes it for all tests.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("budget")]

EVENTS, PAYLOAD = 25_000, 256 * 1024
REDRIVABLE = 24_999  # a run with as many events cannot be redriven
RETRY = 3  # events: the attempt is scheduled, it starts, it fails
TABLE = max(TABLES, key=len)  # its name is in every chunk's key
CHUNKS = 2 * share()  # of a table: one for each segment, and as many more


def worst(fakes: dict[str, Any], chunks: int = 2) -> dict[str, Any]:
    """Scans that need the most chunks, with the longest key of DynamoDB and counts as long as they get."""
    scan, transform = fakes["ScanSegment"], fakes[f"Transform{camel_case(TABLE)}"]

    def scan_big(event: dict[str, Any], context: Any) -> Any:
        more = {"id": {"B": "A" * 2732}, "sort": {"S": "x" * 1024}} if event["chunk"] + 1 < chunks else None
        return scan(event, context) | {"bytes": 107374182400, "readUnits": 13421772.5, "nextKeys": more}

    def transform_big(event: dict[str, Any], context: Any) -> Any:
        counts = dict.fromkeys(("scanned", "staged", "rejected", "sanitized"), 123_456_789)
        return transform(event, context) | counts

    return fakes | {"ScanSegment": scan_big, f"Transform{camel_case(TABLE)}": transform_big}


@cache
def largest_run() -> tuple[int, dict[str, Any]]:
    """How many events the history of the largest run of a table has, and its load's event."""
    with Machine(worst(handlers()), around=sized(2**50), MaxSegments=share()) as machine:
        run = machine.start({"tables": [TABLE]}, name="n" * 80)
        assert run.status == "SUCCEEDED"
        return len(machine.history(run)), machine.events("LoadWarehouse")[-1]


def test_the_largest_run_stays_within_the_limits() -> None:
    events, load = largest_run()
    assert sum(len(segment["chunks"]) for segment in load["tables"][0]["segments"]) == CHUNKS
    assert len(TABLES) * events < EVENTS
    assert len(TABLES) * len(json.dumps(load).encode()) < PAYLOAD


def test_the_largest_run_fits_into_the_events_that_an_automatic_redrive_leaves() -> None:
    assert REPAIR_EVENTS + len(TABLES) * largest_run()[0] < REDRIVABLE


@pytest.mark.parametrize("room", [10, 20, 40, 80])
def test_the_largest_run_can_still_be_redriven_after_all_retries_of_an_account_with_little_room(room: int) -> None:
    """10 functions at once is what a new account may have; a call takes about a minute."""
    assert (
        len(TABLES) * largest_run()[0] + RETRY * throttled(calls=len(TABLES) * CHUNKS * 2, room=room, seconds=60)
        < REDRIVABLE
    )


def throttled(calls: int, room: int, seconds: float) -> int:
    """Retries of a run's calls when `room` functions may run at once, fewer than the tables would use.

    A simulation: who finds no room comes back after a pause of the state machine's own retrier.
    """
    (retrier,) = [
        r for r in states(definition())[f"Scan{camel_case(TABLE)}"]["Retry"] if "TooMany" in r["ErrorEquals"][0]
    ]
    draw = random.Random(1)  # noqa: S311 - needs a seed, not secrecy
    width = len(TABLES) * SUBSTITUTIONS["MaxFunctionsPerTable"]
    left = [calls // width + (iteration < calls % width) for iteration in range(width)]
    running = retries = 0
    due = [(0.0, iteration, 0) for iteration in range(width)]  # when, which iteration, attempts; -1: its call ends
    while due:
        now, iteration, attempts = heapq.heappop(due)
        if attempts < 0:
            running -= 1
            left[iteration] -= 1
            if left[iteration]:
                heapq.heappush(due, (now, iteration, 0))
        elif running < room:
            running += 1
            heapq.heappush(due, (now + seconds * draw.uniform(0.7, 1.3), iteration, -1))
        else:
            assert attempts < retrier["MaxAttempts"]
            retries += 1
            longest = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** attempts
            pause = draw.uniform(0, min(longest, retrier["MaxDelaySeconds"]))
            heapq.heappush(due, (now + pause, iteration, attempts + 1))
    return retries


@pytest.mark.slow
def test_a_run_of_the_default_segments_has_room_for_a_second_transform_of_every_chunk() -> None:
    """Named as the scheduler names runs."""
    segments = 2 * share() // 5
    with Machine(worst(handlers(pieces=2), chunks=3), around=sized(2**50), MaxSegments=segments) as machine:
        run = machine.start({"tables": [TABLE]}, name="n" * 36)
        history = machine.history(run)
    assert run.status == "SUCCEEDED"
    load = machine.events("LoadWarehouse")[-1]
    assert sum(len(segment["chunks"]) for segment in load["tables"][0]["segments"]) == 6 * segments
    assert len(TABLES) * len(history) < EVENTS
    assert len(TABLES) * len(json.dumps(load).encode()) < PAYLOAD


def test_a_chunk_costs_twelve_events() -> None:
    lengths = []
    for chunks in (1, 2):
        with Machine(handlers(chunks=chunks), around=sized()) as machine:
            lengths.append(len(machine.history(machine.start({"tables": [TABLE]}))))
    assert lengths[1] - lengths[0] == 12


def test_a_further_piece_of_a_chunk_costs_seven_events() -> None:
    lengths = []
    for pieces in (1, 2):
        with Machine(handlers(pieces=pieces), around=sized()) as machine:
            lengths.append(len(machine.history(machine.start({"tables": [TABLE]}))))
    assert lengths[1] - lengths[0] == 7
