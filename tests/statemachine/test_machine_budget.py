"""Step Functions' limits: 25,000 events a run and 256 KiB a payload, for any size and number of tables.

Runs of one or two segments and chunks show how many events each costs; the largest run follows by arithmetic.
"""

import heapq
import json
import random
from functools import cache
from typing import Any, NamedTuple

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from scripts.state_machine import MAX_TABLES, REPAIR_EVENTS, functions, share
from tests.statemachine.fakes import handlers, sized
from tests.statemachine.harness import SUBSTITUTIONS, Machine, definition
from tests.statemachine.lint import states

# One worker makes the runs that are measured, for all tests.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("budget")]

EVENTS, PAYLOAD = 25_000, 256 * 1024
REDRIVABLE = 24_999  # a run with as many events cannot be redriven
RETRY = 3  # events: the attempt is scheduled, it starts, it fails
TABLE = max(TABLES, key=len)  # its name is in every chunk's key
CHUNKS = 2  # of a segment, in the largest run: one, and as many more as there are segments


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


class Measured(NamedTuple):
    """How many events the history of a run has, and its load's event."""

    events: int
    load: dict[str, Any]


@cache
def measured(tables: int = 1, segments: int = 1, chunks: int = 1, pieces: int = 1, name: int = 80) -> Measured:
    """A run of so many copies of one table's branch; `pieces` is how often a chunk is transformed.

    `name` is the length of the run's name.
    """
    fakes = worst(handlers(pieces=pieces), chunks)
    machine = Machine(fakes, around=sized(2**50), MaxSegments=segments)
    refresh = machine.definition["States"]["Refresh"]
    [branch] = [each for each in refresh["Branches"] if each["StartAt"] == f"Select{camel_case(TABLE)}"]
    refresh["Branches"] = [branch] * tables
    with machine:
        run = machine.start({"tables": [TABLE]}, name="n" * name)
        assert run.status == "SUCCEEDED"
        return Measured(len(machine.history(run)), machine.events("LoadWarehouse")[-1])


def events(tables: int, segments: int, chunks: int = CHUNKS, pieces: int = 1) -> int:
    """The events of a run: those of each table, segment, chunk and piece, and of the machine around them."""
    one = measured().events
    piece = measured(pieces=2).events - one
    chunk = measured(chunks=2).events - one
    segment = measured(segments=2).events - one - chunk
    table = measured(tables=2).events - one - segment - chunk
    machine = one - table - segment - chunk
    return machine + tables * (table + segments * (segment + chunks * (chunk + (pieces - 1) * piece)))


def load(tables: int, segments: int, chunks: int = CHUNKS, pieces: int = 1, name: int = 80) -> dict[str, Any]:
    """The event of the run's load."""
    event = measured(chunks=chunks, pieces=pieces, name=name).load
    text = json.dumps(event["tables"][0]["segments"][0])
    each = [json.loads(text.replace(f"/{TABLE}/0/", f"/{TABLE}/{n}/")) | {"segment": n} for n in range(segments)]
    return event | {"tables": [{"table": TABLE, "segments": each}] * tables}


def test_a_run_has_the_events_and_the_load_that_arithmetic_says() -> None:
    found = measured(tables=2, segments=3, chunks=2, pieces=2)
    assert found.events == events(2, 3, 2, 2)
    assert found.load["tables"] == load(2, 3, 2, 2)["tables"]


@pytest.mark.parametrize("tables", range(1, MAX_TABLES + 1))
def test_the_largest_run_stays_within_the_limits(tables: int) -> None:
    assert events(tables, share(tables)) < EVENTS
    assert len(json.dumps(load(tables, share(tables))).encode()) < PAYLOAD


@pytest.mark.parametrize("tables", range(1, MAX_TABLES + 1))
def test_the_largest_run_fits_into_the_events_that_an_automatic_redrive_leaves(tables: int) -> None:
    assert REPAIR_EVENTS + events(tables, share(tables)) < REDRIVABLE


@pytest.mark.parametrize("room", [10, 20, 40, 80])
@pytest.mark.parametrize("tables", range(1, MAX_TABLES + 1))
def test_the_largest_run_can_still_be_redriven_after_all_retries_of_an_account_with_little_room(
    tables: int, room: int
) -> None:
    """10 functions at once is what a new account may have; a call takes about a minute."""
    assert events(tables, share(tables)) + RETRY * throttled(tables, room, seconds=60) < REDRIVABLE


def throttled(tables: int, room: int, seconds: float) -> int:
    """Retries of the largest run's scans and transforms when `room` functions may run at once, fewer than the tables would use.

    A simulation: who finds no room comes back after a pause of the state machine's own retrier.
    """
    (retrier,) = [
        r for r in states(definition())[f"Scan{camel_case(TABLE)}"]["Retry"] if "TooMany" in r["ErrorEquals"][0]
    ]
    draw = random.Random(1)  # noqa: S311 - needs a seed, not secrecy
    calls = tables * share(tables) * CHUNKS * 2
    width = tables * min(SUBSTITUTIONS["MaxFunctionsPerTable"], functions(tables), share(tables))
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


@pytest.mark.parametrize("tables", range(1, MAX_TABLES + 1))
def test_a_run_of_the_default_segments_has_room_for_a_second_transform_of_every_chunk(tables: int) -> None:
    """Named as the scheduler names runs."""
    run = (tables, 2 * share(tables) // 5, 3, 2)
    assert events(*run) < EVENTS
    assert len(json.dumps(load(*run, name=36)).encode()) < PAYLOAD


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
