"""What the functions are measured against does the same work."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from benchmarks.dynamodb_endpoint import DynamoDBEndpoint
from benchmarks.items import make_items, pages
from benchmarks.s3_endpoint import S3Endpoint
from benchmarks.ways import deserialized, scan, transform, unchecked
from benchmarks.workload import CASES
from demand_pipeline.tables import ColumnType
from demand_pipeline.transform.rows import RowMaker

type Way = Callable[[dict[str, Any]], dict[str, Any]]

ITEMS = [json.loads(item) for item in make_items(2000)]


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


def test_the_deserializer_makes_the_rows_that_the_transform_makes() -> None:
    maker = RowMaker(CASES)
    for item in ITEMS:
        assert read(deserialized.row(item)) == read(maker.make(item).line)


def test_the_rows_without_checks_are_those_of_the_transform_but_for_unread_attributes() -> None:
    maker = RowMaker(CASES)
    for item in ITEMS:
        assert read(unchecked.row(item))[:-1] == read(maker.make(item).line)[:-1]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with DynamoDBEndpoint(items=2000) as running:
        yield running.url


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with S3Endpoint() as running:
        yield running.url


@pytest.mark.parametrize("way", [scan.resource, scan.client, scan.floor, scan.plain_loop])
def test_every_way_to_scan_reads_every_page(way: Way, endpoint: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "benchmark")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3)
    monkeypatch.setenv("STAGING_BUCKET", "staging")
    monkeypatch.setenv("STACK_NAME", "benchmark")
    first = json.loads(next(pages(2000)))["Count"]
    assert way({"pages": 1}) == {"items": first}
    assert way({"pages": None}) == {"items": 2000}


def test_the_floor_of_the_transform_parses_every_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform, "_pages_in_memory", lambda key: [*pages(1500), *pages(int(key))])
    assert transform.floor({"key": "7"}) == {"items": 1507}
