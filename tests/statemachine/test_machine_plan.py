"""How a table's size and the deployed settings become segments, chunks and a share of the read units."""

from typing import Any

import pytest

from demand_pipeline import builders
from scripts.state_machine import functions, share
from tests.statemachine.fakes import FIRST, LAST, TABLES, handlers, sized
from tests.statemachine.harness import Machine

MB, GB = 2**20, 2**30


@pytest.mark.long
@pytest.mark.parametrize(
    ("size", "settings", "segments"),
    [
        pytest.param(0, {}, 1, id="an empty or new table"),
        pytest.param(None, {}, 1, id="no size at all"),
        pytest.param(0, {"MinSegments": 8}, 8, id="a stale size, and a floor"),
        pytest.param(2 * GB, {}, 1, id="exactly one segment"),
        pytest.param(2 * GB + 1, {}, 2, id="a byte more"),
        pytest.param(9 * GB, {}, 5, id="rounded up"),
        pytest.param(9 * GB, {"MinSegments": 8}, 8, id="the floor above the size"),
        pytest.param(900 * GB, {}, 40, id="the ceiling"),
        pytest.param(900 * GB, {"MaxSegments": 60}, 60, id="a higher ceiling"),
        pytest.param(9 * GB, {"MinSegments": 8, "MaxSegments": 4}, 4, id="the ceiling below the floor"),
        pytest.param(900 * GB, {"MaxReadUnitsPerSecond": 640}, 5, id="a page's read units a segment"),
        pytest.param(900 * GB, {"MaxReadUnitsPerSecond": 100}, 1, id="less than a page's read units"),
        pytest.param(
            900 * GB, {"MaxReadUnitsPerSecond": 100_000, "MaxSegments": 6}, 6, id="more read units than segments"
        ),
    ],
)
def test_segments_follow_the_size_within_the_limits(size: int | None, settings: dict[str, Any], segments: int) -> None:
    with Machine(handlers(), around=sized(size), **settings) as machine:
        assert machine.start({"tables": [LAST]}).status == "SUCCEEDED"
    events = machine.events("ScanSegment")
    assert sorted(event["segment"] for event in events) == list(range(segments))
    assert {event["totalSegments"] for event in events} == {segments}


@pytest.mark.parametrize(
    ("size", "chunk_bytes"),
    [
        pytest.param(0, 256 * MB, id="an empty or new table"),
        pytest.param(None, 256 * MB, id="no size at all"),
        pytest.param(256 * MB * share(), 256 * MB, id="the table's share of chunks is just enough"),
        pytest.param(10 * GB * share() + 1, 10 * GB + 1, id="no more chunks than the share, rounded up"),
    ],
)
def test_a_large_table_has_larger_chunks_not_more(size: int | None, chunk_bytes: int) -> None:
    with Machine(handlers(), around=sized(size)) as machine:
        assert machine.start({"tables": [FIRST]}).status == "SUCCEEDED"
    assert {event["chunkBytes"] for event in machine.events("ScanSegment")} == {chunk_bytes}


@pytest.mark.long
@pytest.mark.parametrize(
    ("rate", "most", "share"),
    [
        pytest.param(0, 4, 0, id="no limit"),
        pytest.param(1000, 40, 1000 / 7, id="shared by seven segments"),
        pytest.param(50, 40, 50, id="a single segment has it all"),
        pytest.param(10_240, 50, 10_240 / min(40, functions()), id="of fifty segments forty or fewer run at once"),
    ],
)
def test_segments_that_run_at_once_share_the_read_units(rate: int, most: int, share: float) -> None:
    assert shares(MaxReadUnitsPerSecond=rate, MaxSegments=most) == {share}


def test_fewer_functions_at_once_have_a_larger_share_each() -> None:
    assert shares(MaxReadUnitsPerSecond=1000, MaxFunctionsPerTable=5) == {200}


def shares(**settings: int) -> set[float]:
    """Return the read units per second of each segment of a large table."""
    with Machine(handlers(), around=sized(900 * GB), **settings) as machine:
        assert machine.start({"tables": [LAST]}).status == "SUCCEEDED"
    return {event["readUnitsPerSecond"] for event in machine.events("ScanSegment")}


def test_a_capped_run_is_one_segment_so_that_the_cap_is_exact() -> None:
    with Machine(handlers(), around=sized(900 * GB), MinSegments=8) as machine:
        assert machine.start({"dryRun": True, "maxItems": 2}).status == "SUCCEEDED"
    events = machine.events("ScanSegment")
    assert [(event["totalSegments"], event["maxItems"]) for event in events] == [(1, 2)] * len(TABLES)


def test_each_table_is_planned_by_its_own_size() -> None:
    sizes = {table.source: (2 * number + 1) * GB for number, table in enumerate(builders.TABLES.values())}

    def around(task: Any, proceed: Any) -> Any:
        table = task.arguments.get("TableName", "").rpartition("/")[2]
        return {"Table": {"TableSizeBytes": sizes[table]}} if table else proceed()

    with Machine(handlers(), around=around) as machine:
        assert machine.start({}).status == "SUCCEEDED"
    planned = {event["table"]: event["totalSegments"] for event in machine.events("ScanSegment")}
    assert planned == {name: number + 1 for number, name in enumerate(TABLES)}
