"""The variants that the functions are compared with do the same work."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from benchmarks.dynamodb_server import DynamoDBServer
from benchmarks.items import Items, make_items
from benchmarks.s3_server import S3Server
from benchmarks.variants import deserialized, drift, scan, transform, unchecked
from benchmarks.workload import CASES
from demand_pipeline.tables import ColumnType
from demand_pipeline.transform import fast_path
from demand_pipeline.transform.rows import RowMaker

type Variant = Callable[[dict[str, Any]], dict[str, Any]]

ITEMS = [json.loads(item) for item in make_items(2000)]


def pages(count: int) -> list[bytes]:
    return [b"".join(parts) for parts in Items(count).pages()]


def read(line: str) -> list[Any]:
    """A staged line's values, numbers in their own digits."""
    values = json.loads(line, parse_float=str, parse_int=str)
    return [_read(column.type, value) for column, value in zip(CASES.stored_columns, values, strict=True)]


def _read(kind: ColumnType, value: Any) -> Any:
    if value is not None and kind is ColumnType.JSONB:
        return json.loads(value, parse_float=str, parse_int=str)
    if value is not None and kind is ColumnType.TIMESTAMPTZ:
        return datetime.fromisoformat(value)
    return value


def test_the_slow_rows_are_those_of_the_transform_and_the_unchecked_ones_but_for_unread_attributes() -> None:
    maker = RowMaker(CASES)
    for item in ITEMS:
        row = read(maker.make(item).line)
        assert read(deserialized.row(item)) == row
        assert read(unchecked.row(item))[:-1] == row[:-1]


def test_the_transform_that_counts_no_drift_makes_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_NAME", "benchmark")
    counted = RowMaker(CASES)
    with drift.uncounted():
        uncounted = RowMaker(CASES)
        assert "others" not in fast_path.source(CASES)
    assert [uncounted.line(item) for item in ITEMS] == [counted.line(item) for item in ITEMS]
    assert not uncounted.drift.absent
    assert len(list(counted.drift.result(len(ITEMS)))) > 1
    assert -50 < drift.cost(pages(100), turns=1) < 100


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    with DynamoDBServer(items=2000) as dynamodb, S3Server() as s3:
        yield dynamodb.url, s3.url


@pytest.mark.parametrize("variant", [scan.resource, scan.client, scan.floor, scan.plain_loop])
def test_every_variant_of_the_scan_reads_every_page(
    variant: Variant, urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "benchmark")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", urls[0])
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", urls[1])
    monkeypatch.setenv("STAGING_BUCKET", "staging")
    monkeypatch.setenv("STACK_NAME", "benchmark")
    assert variant({"pages": 1}) == {"items": json.loads(pages(2000)[0])["Count"]}
    assert variant({"pages": None}) == {"items": 2000}


def test_the_lower_bound_of_the_transform_parses_every_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform, "_pages_in_memory", lambda key: [*pages(1500), *pages(int(key))])
    assert transform.floor({"key": "7"}) == {"items": 1507}
