"""Step Functions' limits: 25,000 events a run and 256 KiB a payload, whatever the size of the tables."""

import json
from typing import Any

from tests.statemachine.fakes import handlers, sized
from tests.statemachine.harness import Machine

EVENTS, PAYLOAD = 25_000, 256 * 1024
SEGMENTS, CHUNKS = 100, 200  # the most that the parameters allow: MaxSegments, and 100 chunks more


def worst(fakes: dict[str, Any], chunks: int = 2) -> dict[str, Any]:
    """Scans that need the most chunks, with the longest key of DynamoDB and counts as long as they get."""
    scan, transform = fakes["ScanSegment"], fakes["TransformAudit"]

    def scan_big(event: dict[str, Any], context: Any) -> Any:
        more = {"id": {"B": "A" * 2732}, "sort": {"S": "x" * 1024}} if event["chunk"] + 1 < chunks else None
        return scan(event, context) | {"bytes": 107374182400, "readUnits": 13421772.5, "nextKeys": more}

    def transform_big(event: dict[str, Any], context: Any) -> Any:
        counts = dict.fromkeys(("scanned", "staged", "rejected", "sanitized"), 123_456_789)
        return transform(event, context) | counts

    return fakes | {"ScanSegment": scan_big, "TransformAudit": transform_big}


def test_the_largest_run_stays_within_the_limits() -> None:
    with Machine(worst(handlers()), around=sized(2**50), MaxSegments=SEGMENTS) as machine:
        run = machine.start({"tables": ["audit"]}, name="n" * 80)
        history = machine.history(run)
    assert run.status == "SUCCEEDED"
    (load,) = machine.events("LoadWarehouse")
    assert sum(len(segment["chunks"]) for segment in load["tables"][0]["segments"]) == CHUNKS
    assert 4 * len(history) < EVENTS
    assert 4 * len(json.dumps(load).encode()) < PAYLOAD


def test_a_run_of_the_default_segments_has_room_for_a_second_transform_of_every_chunk() -> None:
    """About 270 staged pieces a table fit, named as the scheduler names runs."""
    with Machine(worst(handlers(pieces=2), chunks=3), around=sized(2**50), MaxSegments=40) as machine:
        run = machine.start({"tables": ["audit"]}, name="n" * 36)
        history = machine.history(run)
    assert run.status == "SUCCEEDED"
    (load,) = machine.events("LoadWarehouse")
    assert sum(len(segment["chunks"]) for segment in load["tables"][0]["segments"]) == 240
    assert 4 * len(history) < EVENTS
    assert 4 * len(json.dumps(load).encode()) < PAYLOAD


def test_a_chunk_costs_twelve_events() -> None:
    lengths = []
    for chunks in (1, 2):
        with Machine(handlers(chunks=chunks), around=sized()) as machine:
            lengths.append(len(machine.history(machine.start({"tables": ["audit"]}))))
    assert lengths[1] - lengths[0] == 12


def test_a_further_piece_of_a_chunk_costs_seven_events() -> None:
    lengths = []
    for pieces in (1, 2):
        with Machine(handlers(pieces=pieces), around=sized()) as machine:
            lengths.append(len(machine.history(machine.start({"tables": ["audit"]}))))
    assert lengths[1] - lengths[0] == 7
