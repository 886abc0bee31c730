"""A raw chunk becomes staged rows and rejects, and every item is counted."""

import json
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.transforming import TransformRequest
from demand_pipeline.deadline import RESERVE_SECONDS, Deadline
from demand_pipeline.errors import ReconciliationError, StagingError
from demand_pipeline.s3.staging import Staging, drift_key, rejects_key
from demand_pipeline.transform.chunk import transform_chunk
from local.seed import key_item
from tests.functions.conftest import Invoke, keys, put, read
from tests.support.aws import dynamodb_json
from tests.support.functions import OUT_OF_TIME, UNLIMITED
from tests.support.runs import run_at
from tests.support.staged import staged_row

RUN = run_at(1)
GOOD = {"documentId": {"S": "a"}, "amounts": {"M": {"net": {"N": "1.50"}}}}
DIRTY = {"documentId": {"S": "b"}, "note": {"S": "x\0y"}}
BAD = {"documentId": {"S": "c"}, "issueDate": {"S": "31/12/2026"}, "blob": {"B": "AA=="}}


def page(*items: dict[str, Any]) -> bytes:
    return json.dumps({"Count": len(items), "Items": items}).encode() + b"\n"


def request(items: int, page: int = 0) -> TransformRequest:
    return TransformRequest(run=RUN, table=CASES, segment=2, chunk=5, key="raw", page=page, items=items)


def documents(*names: str) -> bytes:
    return page(*({"documentId": {"S": name}} for name in names))


def names(staging: Staging, key: str) -> list[str]:
    return [staged_row(line.decode(), CASES)["document_id"] for line in read(staging, key)]


def test_every_item_is_a_staged_row_or_a_reject(staging: Staging) -> None:
    put(staging, "raw", [page(GOOD, BAD), page(), page(DIRTY)])
    result = transform_chunk(request(3), staging, UNLIMITED)
    assert (result.scanned, result.staged, result.rejected, result.sanitized) == (3, 2, 1, 1)
    rows = [staged_row(line.decode(), CASES) for line in read(staging, result.key)]
    assert [row["document_id"] for row in rows] == ["a", "b"]
    assert rows[1]["extra"] == {"note": "x\ufffdy"}


def test_a_reject_is_kept_whole_with_its_key_and_reason(staging: Staging) -> None:
    put(staging, "raw", [page(BAD)])
    result = transform_chunk(request(1), staging, UNLIMITED)
    [line] = read(staging, rejects_key(result.key))
    assert json.loads(line) == {
        "key": {"documentId": {"S": "c"}},
        "reason": "issue_date: expected date, got S '31/12/2026'",
        "column": "issue_date",
        "expected": "date",
        "found": "S '31/12/2026'",
        "item": BAD,
    }


def test_what_no_column_reads_is_counted_next_to_the_staged_chunk_without_values(staging: Staging) -> None:
    put(staging, "raw", [page(GOOD, BAD), page(DIRTY)])
    result = transform_chunk(request(3), staging, UNLIMITED)
    [every, *counted] = [json.loads(line) for line in read(staging, drift_key(result.key))]
    assert every == ["", "M", 3]
    assert [count for count in counted if count[1] != "none"] == [["blob", "B", 1], ["note", "S", 1]]
    assert ["status", "none", 3] in counted
    assert "documentId" not in {path for path, _, _ in counted}


def test_no_rejects_means_no_rejects_object(staging: Staging) -> None:
    put(staging, "raw", [page(GOOD)])
    transform_chunk(request(1), staging, UNLIMITED)
    assert [key for key in keys() if "/rejects/" in key] == []


def test_an_empty_chunk_is_an_empty_staged_object(staging: Staging) -> None:
    put(staging, "raw", [page()])
    result = transform_chunk(request(0), staging, UNLIMITED)
    assert (result.scanned, read(staging, result.key)) == (0, [])


def test_items_that_the_scan_did_not_count_stop_the_chunk(staging: Staging) -> None:
    put(staging, "raw", [page(GOOD)])
    with pytest.raises(ReconciliationError, match="raw: expected 2 items from page 0 on, the scan's count, got 1"):
        transform_chunk(request(2), staging, UNLIMITED)
    assert keys("runs/") == []


def test_a_chunk_near_the_deadline_is_handed_over_page_by_page(staging: Staging) -> None:
    put(staging, "raw", [documents("a", "b"), page(BAD), page(), documents("d")])
    found, at, left = [], 0, 4
    for _ in range(9):
        result = transform_chunk(request(left, at), staging, OUT_OF_TIME)
        found.append((names(staging, result.key), result.rejected, result.next_page))
        left -= result.scanned
        if result.next_page is None:
            break
        at = result.next_page
    assert found == [(["a", "b"], 0, 1), ([], 1, 2), ([], 0, 3), (["d"], 0, None)]
    assert left == 0
    assert len([key for key in keys() if "/staged/" in key]) == 4


def test_time_that_runs_out_in_the_last_page_is_no_reason_to_go_on(staging: Staging) -> None:
    put(staging, "raw", [documents("a")])
    assert transform_chunk(request(1), staging, OUT_OF_TIME).next_page is None


def test_a_chunk_goes_on_as_far_as_its_time_allows(staging: Staging) -> None:
    put(staging, "raw", [documents(name) for name in "abcdef"])
    clock = iter(range(int(RESERVE_SECONDS) * 1000 + 3, 0, -1))
    result = transform_chunk(request(5, page=1), staging, Deadline(lambda: next(clock)))
    assert (names(staging, result.key), result.next_page) == (["b", "c", "d", "e"], 5)


@pytest.mark.parametrize(("items", "deadline"), [(0, OUT_OF_TIME), (1, UNLIMITED), (3, UNLIMITED)])
def test_pieces_that_do_not_add_up_stop_the_chunk(staging: Staging, items: int, deadline: Deadline) -> None:
    put(staging, "raw", [documents("a"), documents("b"), documents("c")])
    with pytest.raises(ReconciliationError, match="from page 1 on"):
        transform_chunk(request(items, page=1), staging, deadline)
    assert keys("runs/") == []


DEEP = b'{"M":{"a":' * 5000 + b'{"N":"1"}' + b"}}" * 5000


@pytest.mark.parametrize(
    "line",
    [
        b'{"Items":[{"documentId"',
        b'{"Items":["item"]}',
        b'{"Items":[null]}',
        b'{"Items":[{"documentId":"a"}]}',
        b'{"Items":[{"documentId":{"S":1}}]}',
        b'{"Items":[{"documentId":{}}]}',
        b'{"Items":[{"documentId":{"S":"a"},"x":{"X":"1"}}]}',
        b'{"Items":[{"documentId":{"S":"a"},"x":{"N":"one"}}]}',
        b'{"Items":[{"documentId":{"S":"a"},"x":{"N":1}}]}',
        b'{"Items":[{"documentId":{"S":"a"},"x":{"L":"ab"}}]}',
        b'{"Items":[{"documentId":{"S":"a"},"x":{"M":["a"]}}]}',
        b'{"Items":[{"documentId":{"S":"a"},"issueDate":{"S":"a","N":"1"}}]}',
        b'{"Items":[{"documentId":{"S":"a"},"x":' + DEEP + b"}]}",
        b'{"Items":[{"documentId":{"S":"\xff"}}]}',
    ],
    ids=lambda line: line[:60].decode(errors="replace"),
)
def test_what_dynamodb_never_answers_is_a_staging_error_that_quotes_nothing(staging: Staging, line: bytes) -> None:
    put(staging, "raw", [line + b"\n"])
    with pytest.raises(StagingError, match=r"^raw: a line is not a Scan response with items in DynamoDB's JSON"):
        transform_chunk(request(1), staging, UNLIMITED)
    assert keys("runs/") == []


def test_a_reject_nested_as_deep_as_dynamodb_allows_is_kept(staging: Staging) -> None:
    deep = json.loads('{"M":{"a":' * 31 + '{"N":"1"}' + "}}" * 31)
    put(staging, "raw", [page({**BAD, "deep": deep})])
    assert transform_chunk(request(1), staging, UNLIMITED).rejected == 1


@pytest.mark.parametrize("table", TABLES)
def test_the_handler_takes_every_tables_chunks(invoke: Invoke, staging: Staging, table: str) -> None:
    put(staging, "raw", [page(dynamodb_json(key_item(TABLES[table], 1)))])
    event = {
        "contract": CONTRACT, "run": {"id": "run-1", "arn": "arn", "startedAt": "2026-11-23T04:00:00Z"},
        "table": table, "segment": 0, "chunk": 0, "raw": {"key": "raw", "page": 0, "items": 1},
    }  # fmt: skip
    result = invoke("transform", event)
    counts = {"scanned": 1, "staged": 1, "rejected": 0, "sanitized": 0}
    assert {**result, "key": None} == {"key": None, **counts, "nextPage": None}
