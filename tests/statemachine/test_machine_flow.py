"""The data passed from state to state: payloads, the chunk loop, and the tables of a run."""

from typing import Any

import pytest

from demand_pipeline import builders
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.tables import camel_case
from tests.statemachine.fakes import FIRST, FIRST_NAME, LAST, LAST_NAME, TABLES, failing, handlers, sized
from tests.statemachine.harness import SUBSTITUTIONS, Machine

GB = 2**30
SOURCES = {name: table.source for name, table in builders.TABLES.items()}


def test_a_run_gives_each_function_what_it_needs_and_nothing_else() -> None:
    with Machine(handlers(), around=sized()) as machine:
        run = machine.start({"saveCsv": True, "tables": [FIRST]}, name="nightly")
    (scan,), (transform,), (load,) = (
        machine.events(f) for f in ("ScanSegment", f"Transform{FIRST_NAME}", "LoadWarehouse")
    )
    told = {"id": "nightly", "arn": run.arn, "startedAt": scan["run"]["startedAt"]}
    key = f"runs/2026-11-23/nightly/{{}}/{FIRST}/0/0-0123abcd.json.gz"
    assert scan == {
        "contract": CONTRACT,
        "run": told,
        "table": FIRST,
        "source": f"arn:aws:dynamodb:eu-west-1:123456789012:table/{SOURCES[FIRST]}",
        "segment": 0,
        "totalSegments": 1,
        "chunk": 0,
        "startKeys": None,
        "chunkBytes": 268435456,
        "readUnitsPerSecond": 0,
        "sourceKey": {"id": "S"},
        "maxItems": None,
    }
    assert transform == {
        "contract": CONTRACT,
        "run": told,
        "table": FIRST,
        "segment": 0,
        "chunk": 0,
        "raw": {"key": key.format("raw"), "page": 0, "items": 3},
    }
    chunk = {"scanned": 3, "staged": 3, "rejected": 0, "sanitized": 0, "readUnits": 0.5, "bytes": 300}
    assert load == {
        "contract": CONTRACT,
        "run": told,
        "step": "load",
        "input": {"saveCsv": True, "tables": [FIRST]},
        "dryRun": False,
        "saveCsv": True,
        "force": False,
        "strategy": "truncate",
        "keepPrevious": True,
        "maxRejectPercent": 1,
        "maxShrinkPercent": 100,
        "tables": [{"table": FIRST, "segments": [{"segment": 0, "chunks": [{"key": key.format("staged"), **chunk}]}]}],
    }


def test_the_load_is_told_the_deployed_strategy() -> None:
    with Machine(handlers(), around=sized(), LoadStrategy="merge") as machine:
        machine.start({})
    assert [event["strategy"] for event in machine.events("LoadWarehouse")] == ["merge"]


def test_the_runs_start_is_told_in_utc_with_its_offset() -> None:
    with Machine(handlers(), around=sized()) as machine:
        machine.start({})
    started = {task.event["run"]["startedAt"] for task in machine.tasks if task.function}
    assert len(started) == 1
    assert started.pop().endswith("Z")


@pytest.mark.parametrize("table", TABLES)
def test_each_table_has_its_own_source_and_transform(table: str) -> None:
    with Machine(handlers(), around=sized()) as machine:
        assert machine.start({"tables": [table]}).status == "SUCCEEDED"
    source = SUBSTITUTIONS[f"{camel_case(SOURCES[table])}TableArn"]
    states = [f"{verb}{camel_case(table)}" for verb in ("Describe", "Scan", "Transform")]
    assert [task.state for task in machine.tasks] == [*states, "LoadWarehouse"]
    assert machine.tasks[0].arguments == {"TableName": source}
    assert machine.tasks[1].event["source"] == source
    assert {task.event["table"] for task in machine.tasks[1:3]} == {table}
    assert [task.function for task in machine.tasks[1:]] == [
        "ScanSegment",
        f"Transform{camel_case(table)}",
        "LoadWarehouse",
    ]


def test_a_segment_goes_on_from_the_key_where_its_last_chunk_ended() -> None:
    with Machine(handlers(chunks=3), around=sized(3 * GB)) as machine:
        assert machine.start({"tables": [LAST]}).status == "SUCCEEDED"
    for segment in (0, 1):
        events = [event for event in machine.events("ScanSegment") if event["segment"] == segment]
        assert [event["chunk"] for event in events] == [0, 1, 2]
        keys = [None, {"id": {"S": f"{segment}/1"}}, {"id": {"S": f"{segment}/2"}}]
        assert [event["startKeys"] for event in events] == keys
    assert [event["chunk"] for event in machine.events(f"Transform{LAST_NAME}") if event["segment"] == 1] == [0, 1, 2]


def test_a_chunk_that_was_transformed_in_part_goes_on_where_it_ended() -> None:
    with Machine(handlers(chunks=2, items=7, pieces=3), around=sized()) as machine:
        run = machine.start({"tables": [LAST], "dryRun": True, "maxItems": 12}, name="run")
    assert run.status == "SUCCEEDED"
    events = machine.events(f"Transform{LAST_NAME}")
    assert [(event["chunk"], event["raw"]["page"], event["raw"]["items"]) for event in events] == [
        (0, 0, 7), (0, 1, 6), (0, 2, 5), (1, 0, 5), (1, 1, 4), (1, 2, 3)
    ]  # fmt: skip
    assert len({event["raw"]["key"] for event in events}) == 2
    assert [(event["chunk"], event["maxItems"]) for event in machine.events("ScanSegment")] == [(0, 12), (1, 5)]


def test_the_pieces_of_a_chunk_reach_the_load_and_its_cost_is_told_once() -> None:
    with Machine(handlers(chunks=2, items=7, pieces=3), around=sized()) as machine:
        machine.start({"tables": [LAST]})
    (load,) = machine.events("LoadWarehouse")
    chunks = load["tables"][0]["segments"][0]["chunks"]
    assert [(chunk["scanned"], chunk["readUnits"], chunk["bytes"]) for chunk in chunks] == [
        (1, 0.5, 700), (1, 0, 0), (5, 0, 0), (1, 0.5, 700), (1, 0, 0), (5, 0, 0)
    ]  # fmt: skip
    assert {*chunks[0]} == {"key", "scanned", "staged", "rejected", "sanitized", "readUnits", "bytes"}


def test_a_start_key_comes_through_unchanged() -> None:
    key = {"id": {"S": "\u0000 \"é😀\\ {% $states %} ${x}'"}, "version": {"N": "9" * 38}, "raw": {"B": "AAEC"}}
    fakes = handlers(chunks=2)
    scan = fakes["ScanSegment"]

    def scan_with_key(event: dict[str, Any], context: Any) -> Any:
        found = scan(event, context)
        return found | {"nextKeys": key} if found["nextKeys"] else found

    with Machine(fakes | {"ScanSegment": scan_with_key}, around=sized()) as machine:
        assert machine.start({"tables": [FIRST]}).status == "SUCCEEDED"
    assert [event["startKeys"] for event in machine.events("ScanSegment")] == [None, key]


def test_every_chunk_reaches_the_load_in_order_of_segments_and_chunks() -> None:
    with Machine(handlers(chunks=3), around=sized(5 * GB)) as machine:
        machine.start({}, name="run")
    (load,) = machine.events("LoadWarehouse")
    assert [table["table"] for table in load["tables"]] == list(TABLES)
    for table in load["tables"]:
        assert [segment["segment"] for segment in table["segments"]] == [0, 1, 2]
        for segment in table["segments"]:
            place = f"runs/2026-11-23/run/staged/{table['table']}/{segment['segment']}"
            keys = [f"{place}/{chunk}-0123abcd.json.gz" for chunk in range(3)]
            assert [chunk["key"] for chunk in segment["chunks"]] == keys


def test_what_is_left_of_the_cap_goes_from_chunk_to_chunk() -> None:
    with Machine(handlers(chunks=9, items=3), around=sized()) as machine:
        assert machine.start({"tables": [LAST], "dryRun": True, "maxItems": 7}).status == "SUCCEEDED"
    assert [event["maxItems"] for event in machine.events("ScanSegment")] == [7, 4, 1]
    (load,) = machine.events("LoadWarehouse")
    assert sum(chunk["scanned"] for chunk in load["tables"][0]["segments"][0]["chunks"]) == 7


@pytest.mark.parametrize("chosen", [(LAST,), (LAST, FIRST), TABLES[:0:-1]])
def test_a_run_of_some_tables_touches_no_other(chosen: tuple[str, ...]) -> None:
    with Machine(handlers(), around=sized()) as machine:
        assert machine.start({"tables": list(chosen)}).status == "SUCCEEDED"
    described = {task.arguments["TableName"].rpartition("/")[2] for task in machine.tasks if task.function is None}
    assert described == {SOURCES[table] for table in chosen}
    (load,) = machine.events("LoadWarehouse")
    assert [table["table"] for table in load["tables"]] == [table for table in TABLES if table in chosen]


def test_an_empty_table_is_scanned_transformed_and_loaded_like_any_other() -> None:
    with Machine(handlers(items=0), around=sized()) as machine:
        assert machine.start({}).status == "SUCCEEDED"
    (load,) = machine.events("LoadWarehouse")
    chunks = [chunk for table in load["tables"] for segment in table["segments"] for chunk in segment["chunks"]]
    assert [(chunk["scanned"], chunk["staged"]) for chunk in chunks] == [(0, 0)] * len(TABLES)


def test_the_output_of_a_run_is_what_the_load_says() -> None:
    with Machine(handlers(), around=sized()) as machine:
        run = machine.start({"dryRun": True})
    assert run.output == {"committed": False, "tables": [{"table": table} for table in TABLES]}


def copied(machine: Machine) -> list[tuple[str, str]]:
    return [(event["table"], event["chunk"]["key"]) for event in machine.events("CopyChunk")]


def test_a_large_run_is_prepared_and_every_chunk_copied_before_the_load() -> None:
    with Machine(handlers(chunks=2), around=sized(), ParallelCopyBytes=2 * 2 * 300) as machine:
        run = machine.start({"tables": [FIRST, LAST]}, name="run")
    assert run.status == "SUCCEEDED"
    prepare, load = machine.events("LoadWarehouse")
    assert (prepare, load["step"]) == (load | {"step": "prepare"}, "load")
    states = [task.state for task in machine.tasks]
    assert states[-6:] == ["PrepareLoad", *["CopyChunk"] * 4, "LoadWarehouse"]
    place = "runs/2026-11-23/run/staged"
    chunks = {(table, f"{place}/{table}/0/{chunk}-0123abcd.json.gz") for table in (FIRST, LAST) for chunk in (0, 1)}
    assert set(copied(machine)) == chunks
    assert machine.events("CopyChunk")[0]["chunk"] | {"key": ""} == {"key": "", "staged": 3, "rejected": 0}


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({}, {"ParallelCopyBytes": 2 * 300 * len(TABLES) + 1}),
        ({"dryRun": True, "maxItems": 6}, {"ParallelCopyBytes": 0}),
    ],
)
def test_a_small_or_capped_run_is_copied_by_the_load_itself(given: dict[str, Any], settings: dict[str, Any]) -> None:
    with Machine(handlers(chunks=2), around=sized(), **settings) as machine:
        assert machine.start(given).status == "SUCCEEDED"
    assert copied(machine) == []
    assert [event["step"] for event in machine.events("LoadWarehouse")] == ["load"]


def test_a_load_that_wants_to_be_called_again_is_called_with_the_same_after_its_pause() -> None:
    answers = [{"again": 7}, {"again": 0}]
    fakes = handlers()

    def load(event: dict[str, Any], context: Any) -> Any:
        return answers.pop(0) if answers else fakes["LoadWarehouse"](event, context)

    with Machine(fakes | {"LoadWarehouse": load}, around=sized()) as machine:
        run = machine.start({"tables": [FIRST]})
        waited = [event["type"] for event in machine.history(run)].count("WaitStateExited")
    assert (run.status, run.output["committed"], waited) == ("SUCCEEDED", True, 2)
    first, *others = machine.events("LoadWarehouse")
    assert others == [first, first]


def test_a_redrive_copies_only_the_chunks_whose_copy_failed() -> None:
    with Machine(
        handlers(chunks=3),
        around=sized(then=failing({("CopyChunk", 1): ["StagingError"]})),
        ParallelCopyBytes=0,
        LoadConcurrency=1,
    ) as machine:
        failed = machine.start({"tables": [LAST]})
        assert (failed.status, failed.error) == ("FAILED", "StagingError")
        before = len(machine.tasks)
        assert machine.redrive(failed).status == "SUCCEEDED"
    assert [(task.state, task.index) for task in machine.tasks[before:]] == [
        ("CopyChunk", 1), ("CopyChunk", 2), ("LoadWarehouse", None)
    ]  # fmt: skip
