"""Changes at the source since the previous run are in a run's result, in a metric, and in the warehouse."""

import json
from collections.abc import Iterable
from typing import Any

import boto3
import pytest

from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.contracts.loading import LoadResult, StagedChunk
from demand_pipeline.s3.staging import drift_key
from demand_pipeline.transform.drift import MAX_ATTRIBUTES, path_text
from tests.integration.conftest import TRUNCATE_ALONE
from tests.support.aws import BUCKET
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse

pytestmark = TRUNCATE_ALONE

type Counts = Iterable[tuple[str, str, int]]


def chunk(runs: Runs, hour: int, counts: Counts, items: int = 10, number: int = 0) -> StagedChunk:
    """A chunk of as many items, with what was counted of them."""
    rows = [[f"doc-{number}-{n}", *row[1:]] for n, row in enumerate(documents(items))]
    staged = runs.chunk(run_at(hour), "cases", rows, number=number)
    runs.write(drift_key(staged.key), [("", "M", items), *counts])
    return staged


def load(runs: Runs, hour: int, counts: Counts, items: int = 10, **options: Any) -> LoadResult:
    return runs.load(run_at(hour), {"cases": [chunk(runs, hour, counts, items)]}, **options)


def drift(result: LoadResult) -> list[tuple[str, str, tuple[str, ...], int]]:
    return [(change.change, change.path, change.types, change.items) for change in result.drift]


def test_a_new_a_retyped_and_a_vanished_attribute_are_in_the_next_runs_result_and_a_metric(
    runs: Runs, warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [("note", "S", 4), ("size", "N", 10), ("gone", "S", 2), ("amounts.net", "S", 1)]
    assert drift(load(runs, 1, first)) == []
    capsys.readouterr()
    second = [("note", "S", 5), ("size", "S", 3), ("size", "N", 7), ("amounts.net", "S", 9), ("status", "N", 6)]
    result = load(runs, 2, [*second, ("tip", "N", 8), ("caseId", "none", 10)])
    assert drift(result) == [
        ("vanished", "caseId", (), 0),
        ("vanished", "gone", ("S",), 2),
        ("retyped", "size", ("S",), 3),
        ("retyped", "status", ("N",), 6),
        ("new", "tip", ("N",), 8),
    ]
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["AttributesDrifted"] for record in records if "AttributesDrifted" in record] == [[5.0]]
    kept = warehouse.sql("SELECT path, type, items FROM warehouse.pipeline_run_attributes WHERE run_id = 'run-2'")
    assert set(kept.splitlines()) >= {"|M|10", "size|S|3", "size|N|7", "tip|N|8", "caseId|none|10"}
    # A redrive of the committed run says the same; what comes back is new, and what stays is no change.
    assert runs.load(run_at(2), {"cases": [chunk(runs, 2, [])]}).drift == result.drift
    assert drift(load(runs, 3, [*second, ("tip", "N", 1)])) == [("new", "caseId", (), 0)]


def test_the_counts_of_all_chunks_are_added_up(runs: Runs, warehouse: Warehouse) -> None:
    assert drift(load(runs, 1, [])) == []
    absent = ("status", "none", 10)
    chunks = [
        chunk(runs, 2, [("note", "S", 1), absent], number=0),
        chunk(runs, 2, [("note", "S", 2)], number=1),
        chunk(runs, 2, [("note", "S", 4), absent], number=2),
    ]
    # One chunk's items have a value for the column, so it is not absent.
    assert drift(runs.load(run_at(2), {"cases": chunks})) == [("new", "note", ("S",), 7)]


def test_a_table_is_compared_with_its_own_last_run_and_not_with_an_empty_one(runs: Runs) -> None:
    load(runs, 1, [("note", "S", 1)])
    runs.load(run_at(2), {"audit": []})
    assert drift(load(runs, 3, [("note", "S", 1), ("tip", "N", 1)])) == [("new", "tip", ("N",), 1)]
    assert drift(load(runs, 4, [(path_text(column.path), "none", 0) for column in CASES.columns], items=0)) == []
    assert drift(load(runs, 5, [("note", "S", 1)])) == []


def test_a_run_without_counts_is_loaded_and_says_nothing_about_drift(runs: Runs, warehouse: Warehouse) -> None:
    load(runs, 1, [("note", "S", 1)])
    lost = chunk(runs, 2, [("tip", "N", 1)])
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=drift_key(lost.key))
    chunks = [lost, chunk(runs, 2, [("tip", "N", 1)], number=1)]
    result = runs.load(run_at(2), {"cases": chunks})
    assert (result.tables[0].loaded, drift(result)) == (20, [])
    # The next run is compared with the last one that was counted.
    assert drift(load(runs, 3, [("note", "S", 1), ("tip", "N", 1)])) == [("new", "tip", ("N",), 1)]


def test_too_many_attributes_are_one_entry_and_neither_new_nor_vanished(runs: Runs, warehouse: Warehouse) -> None:
    many = [(f"item {n}", "S", 1) for n in range(2 * MAX_ATTRIBUTES)]
    load(runs, 1, [*many, ("note", "S", 9)])
    assert int(warehouse.sql("SELECT count(*) FROM warehouse.pipeline_run_attributes")) == MAX_ATTRIBUTES + 1
    others = "SELECT items FROM warehouse.pipeline_run_attributes WHERE path = '*'"
    assert int(warehouse.sql(others)) == 2 * MAX_ATTRIBUTES + 1 + 1 - MAX_ATTRIBUTES
    assert drift(load(runs, 2, [*reversed(many), ("note", "N", 9)])) == [("retyped", "note", ("N",), 9)]


def test_a_dry_run_compares_and_keeps_nothing_and_a_part_of_a_table_is_not_compared(
    runs: Runs, warehouse: Warehouse
) -> None:
    load(runs, 1, [("note", "S", 1)])
    assert drift(load(runs, 2, [("tip", "N", 1)], dry_run=True)) == [
        ("vanished", "note", ("S",), 1),
        ("new", "tip", ("N",), 1),
    ]
    assert drift(load(runs, 3, [("tip", "N", 1)], dry_run=True, input={"maxItems": 1})) == []
    assert warehouse.sql("SELECT DISTINCT run_id FROM warehouse.pipeline_run_attributes") == "run-1"


def test_hostile_names_arrive_as_they_are(runs: Runs) -> None:
    name = "\"'); DROP TABLE cases; -- \\ <script> %s {x} \U0001f600"
    load(runs, 1, [])
    assert drift(load(runs, 2, [(name, "S", 1)])) == [("new", name, ("S",), 1)]
