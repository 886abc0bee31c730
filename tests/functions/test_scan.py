"""A scan moves a segment's pages to S3 as they are, and stops where it should."""

import json
import threading
import zlib
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from moto.core.botocore_stubber import MockRawResponse

from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.scanning import ScanRequest, ScanResult
from demand_pipeline.deadline import RESERVE_SECONDS, Deadline
from demand_pipeline.dynamodb.raw_pages import Page, RawPages
from demand_pipeline.dynamodb.typed_json import Item, iterate_items
from demand_pipeline.errors import SourceMismatchError, TransientError
from demand_pipeline.s3.staging import Staging
from demand_pipeline.scan import segment
from demand_pipeline.scan.segment import READERS, RateLimiter, scan_segment
from tests.functions.conftest import Invoke, keys, read
from tests.support.aws import create_source
from tests.support.functions import OUT_OF_TIME, UNLIMITED
from tests.support.runs import run_at

RUN = run_at(1)


def make_table(count: int) -> None:
    """Items of 100 kB each, so that a page of 1 MB holds about ten."""
    create_source(CASES, [{"documentId": {"S": f"d{n}"}, "padding": {"S": "é" * 50_000}} for n in range(count)])


def request(**changes: Any) -> ScanRequest:
    values: dict[str, Any] = {
        "run": RUN, "table": CASES, "source": "documents", "segment": 0, "total_segments": 1, "chunk": 0,
        "start_keys": None, "chunk_bytes": 10**9, "read_units_per_second": 0, "max_items": None,
    }  # fmt: skip
    return ScanRequest(**{**values, **changes})


def items_of(staging: Staging, result: ScanResult) -> list[Item]:
    return [item for page in read(staging, result.key) for item in iterate_items(page)]


def test_a_whole_segment_becomes_one_chunk(staging: Staging) -> None:
    make_table(25)
    result = scan_segment(request(), staging, UNLIMITED)
    assert (result.items, result.pages, result.next_keys) == (25, 4, None)  # a segment in two halves of two pages
    assert result.read_units > 0
    assert result.bytes > 2_500_000
    assert {item["documentId"]["S"] for item in items_of(staging, result)} == {f"d{n}" for n in range(25)}


def test_segments_together_hold_every_item_once(staging: Staging) -> None:
    make_table(25)
    results = [scan_segment(request(segment=n, total_segments=3), staging, UNLIMITED) for n in range(3)]
    found = [item["documentId"]["S"] for result in results for item in items_of(staging, result)]
    assert sorted(found) == sorted(f"d{n}" for n in range(25))


def test_an_empty_table_is_an_empty_chunk(staging: Staging) -> None:
    make_table(0)
    result = scan_segment(request(), staging, UNLIMITED)
    assert (result.items, result.next_keys, items_of(staging, result)) == (0, None, [])


def test_the_key_of_the_source_is_compared_where_the_state_machine_tells_it(staging: Staging) -> None:
    make_table(1)
    for key in (None, {"documentId": "S"}):  # an older definition tells none
        assert scan_segment(request(source_key=key), staging, UNLIMITED).items == 1
    with pytest.raises(SourceMismatchError, match="documents: expected the key documentId, as cases is declared"):
        scan_segment(request(source_key={"documentId": "S", "page": "N"}), staging, UNLIMITED)


@pytest.mark.parametrize("rate", [0, 1e9], ids=["two readers", "one reader"])
def test_chunks_follow_one_another_without_gap_or_overlap(staging: Staging, rate: float) -> None:
    make_table(25)
    found, start, chunks = [], None, 0
    while chunks == 0 or start is not None:
        result = scan_segment(
            request(chunk=chunks, start_keys=start, chunk_bytes=1, read_units_per_second=rate), staging, UNLIMITED
        )
        assert result.pages == (1 if rate else 2)  # one of each half
        found += [str(item["documentId"]) for item in items_of(staging, result)]
        start, chunks = result.next_keys, chunks + 1
    assert chunks == (3 if rate else 2)
    assert len(found) == len(set(found)) == 25


def test_a_half_that_ends_early_leaves_the_other_to_the_next_chunk(staging: Staging) -> None:
    make_table(25)
    first = scan_segment(request(chunk_bytes=1), staging, UNLIMITED)
    assert first.next_keys is not None
    assert set(first.next_keys) == {"0/2", "1/2"}
    rest = scan_segment(request(start_keys={"1/2": first.next_keys["1/2"]}), staging, UNLIMITED)
    assert (rest.pages, rest.next_keys) == (1, None)


def answering(body: bytes, headers: dict[str, str], sent: list[Any]) -> RawPages:
    """Pages from a service that always answers with `body`; what it is sent ends up in `sent`."""

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(json.loads(request.body))
        return AWSResponse(request.url, 200, headers, MockRawResponse(body))  # type: ignore[arg-type]

    pages = RawPages("documents", UNLIMITED)
    pages._client.meta.events.register("before-send.dynamodb.Scan", answer)
    return pages


def test_a_start_key_is_sent_as_its_page_had_it(aws: None) -> None:
    sent: list[dict[str, Any]] = []
    key: Item = {"digest": {"B": "/wg="}, "number": {"N": "-1.50"}, "name": {"S": "/wg="}}
    answering(b"{}", {}, sent).read("0/1", key, None)
    assert sent[0]["ExclusiveStartKey"] == key


PAGE = b'{"Items":[],"Count":0}'
CHECKSUM = zlib.crc32(PAGE)


@pytest.mark.parametrize(("headers", "checked"), [({"x-amz-crc32": str(CHECKSUM)}, True), ({}, False)])
def test_a_page_counts_as_checked_when_it_came_with_its_checksum(aws: None, headers: Any, checked: bool) -> None:
    assert answering(PAGE, headers, []).read("0/1", None, None) == Page("documents", PAGE, checked)


def test_a_page_that_never_matches_its_checksum_is_refused(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))
    with pytest.raises(TransientError, match=r"^scanning documents: a page does not match its checksum$"):
        answering(PAGE, {"x-amz-crc32": str(CHECKSUM + 1)}, sent).read("0/1", None, None)
    assert len(sent) > 1  # boto3 has tried again


def test_two_pages_are_asked_for_at_once(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(READERS)

    def read(_: RawPages, segment: str, *__: object) -> Page:
        both.wait(10)  # breaks if one waits for the other
        return Page("documents", b'{"Items":[{"documentId":{"S":"%s"}}],"Count":1}' % segment.encode(), checked=True)

    monkeypatch.setattr(RawPages, "read", read)
    result = scan_segment(request(segment=2, total_segments=3), staging, UNLIMITED)
    assert {item["documentId"]["S"] for item in items_of(staging, result)} == {"4/6", "5/6"}


def test_a_chunk_near_the_deadline_hands_over_what_it_has(staging: Staging) -> None:
    make_table(25)
    result = scan_segment(request(), staging, OUT_OF_TIME)
    assert result.pages == READERS
    assert result.next_keys is not None


def test_a_wait_for_read_units_never_outlasts_the_function(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    page = b'{"Items":[],"ConsumedCapacity":{"CapacityUnits":128},"LastEvaluatedKey":{"documentId":{"S":"d"}}}'
    monkeypatch.setattr("demand_pipeline.scan.segment.RawPages.read", lambda *_: Page("documents", page, checked=False))
    clock = Clock()
    monkeypatch.setattr(segment, "RateLimiter", lambda units: RateLimiter(units, clock=clock, sleep=clock.sleep))
    left = Deadline(lambda: int((RESERVE_SECONDS + 300 - (clock.now - 100)) * 1000))
    result = scan_segment(request(read_units_per_second=1), staging, left)
    assert (result.pages, result.next_keys is None) == (2, False)  # 128 s each: a third would end past the limit
    assert clock.now == 100 + 2 * 128


@pytest.mark.parametrize(
    ("body", "checked", "kind"),
    [
        *[
            (body, checked, kind)
            for body, kind in (
                (b'{"Items":[{"a', "JSONDecodeError"),
                (b"<html>", "ValueError"),
                (b"\xff", "UnicodeDecodeError"),
                (b'{"Items":{}}', "ValueError"),
            )
            for checked in (True, False)
        ],
        (b'{"Items":[damaged],"Count":1}', False, "ValueError"),  # with a checksum, nobody would have looked
    ],
)
def test_an_answer_that_is_no_scan_response_is_tried_again(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, body: bytes, checked: bool, kind: str
) -> None:
    monkeypatch.setattr("demand_pipeline.scan.segment.RawPages.read", lambda *_: Page("documents", body, checked))
    with pytest.raises(TransientError, match=rf"^scanning documents: the answer is not a Scan response \({kind}\)$"):
        scan_segment(request(), staging, UNLIMITED)
    assert keys() == []


@pytest.mark.parametrize("cap", [1, 10, 14, 25, 99])
def test_max_items_is_exact(staging: Staging, cap: int) -> None:
    make_table(25)
    result = scan_segment(request(max_items=cap), staging, UNLIMITED)
    assert (result.items, result.next_keys) == (min(cap, 25), None)


def test_a_pretty_printed_page_is_still_one_line(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{\n "Items": [\r\n{"documentId": {"S": "a\\nb"}}\n]\n}'
    monkeypatch.setattr("demand_pipeline.scan.segment.RawPages.read", lambda *_: Page("documents", body, checked=True))
    result = scan_segment(request(), staging, UNLIMITED)
    assert len(read(staging, result.key)) == result.pages
    assert items_of(staging, result) == [{"documentId": {"S": "a\nb"}}] * result.pages


def test_a_missing_table_is_the_aws_error_by_name(staging: Staging) -> None:
    with pytest.raises(Exception, match="ResourceNotFound") as caught:
        scan_segment(request(), staging, UNLIMITED)
    assert type(caught.value).__name__ == "ResourceNotFoundException"
    assert keys() == []


def test_the_handler_passes_on_key_counts_and_next_keys(invoke: Invoke) -> None:
    make_table(25)
    event = {
        "contract": CONTRACT, "run": {"id": "run-1", "arn": "arn", "startedAt": "2026-11-23T04:00:00Z"}, "table": "cases",
        "source": "documents", "segment": 0, "totalSegments": 1, "chunk": 0, "startKeys": None, "chunkBytes": 1,
        "readUnitsPerSecond": 0, "maxItems": None,
    }  # fmt: skip
    result = invoke("scan_segment", event)
    assert set(result) == {"key", "items", "pages", "bytes", "readUnits", "nextKeys"}
    assert invoke("scan_segment", {**event, "startKeys": result["nextKeys"], "chunk": 1})["key"] != result["key"]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_pages_are_paced_to_the_share_of_read_units() -> None:
    clock = Clock()
    pace = RateLimiter(units_per_second=64, clock=clock, sleep=clock.sleep)
    for _ in range(10):
        pace.spend(128)
    assert clock.now == pytest.approx(100 + 10 * 128 / 64)


def test_a_slow_reader_is_not_slowed_further() -> None:
    clock = Clock()
    pace = RateLimiter(units_per_second=128, clock=clock, sleep=clock.sleep)
    for _ in range(3):
        clock.now += 10
        pace.spend(128)
    assert clock.now == pytest.approx(100 + 3 * (10 + 1))


def test_no_limit_is_no_wait() -> None:
    clock = Clock()
    RateLimiter(units_per_second=0, clock=clock, sleep=clock.sleep).spend(1e9)
    assert clock.now == 100
