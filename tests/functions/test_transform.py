"""A raw chunk becomes staged rows and rejects, and every item is counted."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from demand_pipeline.builders import CASES, TABLES
from demand_pipeline.errors import InvalidEventError, ReconciliationError, StagingError
from demand_pipeline.events import Run, TransformRequest
from demand_pipeline.staging import Staging, rejects_key
from demand_pipeline.transform import transform_chunk
from tests.functions.conftest import Invoke, keys, put, read
from tests.unit.staged import staged_row

RUN = Run("run-1", "arn", datetime(2026, 11, 23, tzinfo=UTC))
GOOD = {"documentId": {"S": "a"}, "amounts": {"M": {"net": {"N": "1.50"}}}}
DIRTY = {"documentId": {"S": "b"}, "note": {"S": "x\0y"}}
BAD = {"documentId": {"S": "c"}, "issueDate": {"S": "31/12/2026"}, "blob": {"B": "AA=="}}


def page(*items: dict[str, Any]) -> bytes:
    return json.dumps({"Count": len(items), "Items": items}).encode() + b"\n"


def request(items: int) -> TransformRequest:
    return TransformRequest(run=RUN, table=CASES, segment=2, chunk=5, key="raw", items=items)


def test_every_item_is_a_staged_row_or_a_reject(staging: Staging) -> None:
    put(staging, "raw", [page(GOOD, BAD), page(), page(DIRTY)])
    result = transform_chunk(request(3), staging)
    assert (result.scanned, result.staged, result.rejected, result.sanitized) == (3, 2, 1, 1)
    rows = [staged_row(line, CASES) for line in read(staging, result.key)]
    assert [row["document_id"] for row in rows] == ["a", "b"]
    assert rows[1]["extra"] == {"note": "x\ufffdy"}


def test_a_reject_is_kept_whole_with_its_key_and_reason(staging: Staging) -> None:
    put(staging, "raw", [page(BAD)])
    result = transform_chunk(request(1), staging)
    [line] = read(staging, rejects_key(result.key))
    assert json.loads(line) == {
        "key": {"documentId": {"S": "c"}},
        "reason": "issue_date: expected date, got S '31/12/2026'",
        "item": BAD,
    }


def test_no_rejects_means_no_rejects_object(staging: Staging) -> None:
    put(staging, "raw", [page(GOOD)])
    transform_chunk(request(1), staging)
    assert [key for key in keys() if "/rejects/" in key] == []


def test_an_empty_chunk_is_an_empty_staged_object(staging: Staging) -> None:
    put(staging, "raw", [page()])
    result = transform_chunk(request(0), staging)
    assert (result.scanned, read(staging, result.key)) == (0, [])


def test_items_that_the_scan_did_not_count_stop_the_chunk(staging: Staging) -> None:
    put(staging, "raw", [page(GOOD)])
    with pytest.raises(ReconciliationError, match="raw: expected 2 items as the scan counted, got 1"):
        transform_chunk(request(2), staging)
    assert keys("runs/") == []


def test_a_line_that_is_no_page_is_a_staging_error(staging: Staging) -> None:
    put(staging, "raw", [b'{"Items":[{"documentId"\n'])
    with pytest.raises(StagingError, match="raw: expected a Scan response a line"):
        transform_chunk(request(0), staging)


@pytest.mark.parametrize("table", TABLES)
def test_each_tables_handler_takes_its_own_chunks_and_no_others(invoke: Invoke, staging: Staging, table: str) -> None:
    item = {column.source: {"N": "1"} if column.type == "bigint" else {"S": "k"} for column in TABLES[table].key}
    put(staging, "raw", [page(item)])
    event = {
        "run": {"id": "run-1", "arn": "arn", "startedAt": "2026-11-23T04:00:00Z"},
        "table": table, "segment": 0, "chunk": 0, "raw": {"key": "raw", "items": 1},
    }  # fmt: skip
    result = invoke(f"transform_{table}", event)
    assert {**result, "key": None} == {"key": None, "scanned": 1, "staged": 1, "rejected": 0, "sanitized": 0}
    other = next(name for name in TABLES if name != table)
    with pytest.raises(InvalidEventError, match=f"table: expected one of {table}"):
        invoke(f"transform_{table}", {**event, "table": other})
