"""The made-up items are what the benchmark says of them, and its endpoints serve them as AWS would."""

import contextlib
import json
import zlib
from http.client import HTTPConnection
from typing import Any

import pytest

from benchmarks.dynamodb_endpoint import ARN, DynamoDBEndpoint
from benchmarks.items import PAGE_BYTES, make_items, pages
from benchmarks.s3_endpoint import S3Endpoint
from benchmarks.workload import CASES
from tests.unit.reference import RejectedBy, expected_row

ITEMS = 2500
SCAN = "DynamoDB_20120810.Scan"


def test_items_are_of_the_announced_size_and_of_their_number_alone() -> None:
    sizes = [len(item) for item in make_items(10_000)]
    assert 890 <= sum(sizes) / len(sizes) <= 900
    assert list(make_items(10, 1990)) == list(make_items(2000))[1990:]


def test_items_are_what_the_table_takes_with_every_column_long_numbers_and_unread_attributes() -> None:
    rows = [expected_row(json.loads(item), CASES)[0] for item in make_items(1000)]
    assert all(any(row[column.name] is not None for row in rows) for column in CASES.stored_columns)
    digits = [len(row["gross_amount"].as_tuple().digits) for row in rows]
    assert max(digits) == 38
    assert 0.01 < sum(each == 38 for each in digits) / 1000 < 0.03
    assert 0.01 < sum(row["extra"] is not None for row in rows) / 1000 < 0.04
    assert len({row["document_id"] for row in rows}) == 1000


def test_one_item_in_500_is_a_reject_if_wanted() -> None:
    rejected = 0
    for item in make_items(1000, rejects=True):
        try:
            expected_row(json.loads(item), CASES)
        except RejectedBy as error:
            assert error.column == "issue_date"
            rejected += 1
    assert rejected == 2


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_the_pages_of_all_segments_hold_every_item_once(segments: int) -> None:
    found: list[dict[str, Any]] = []
    for segment in range(segments):
        bodies = list(pages(ITEMS, segments, segment))
        assert all(len(body) <= PAGE_BYTES for body in bodies)
        read = [json.loads(body) for body in bodies]
        assert ["LastEvaluatedKey" in page for page in read] == [True] * (len(read) - 1) + [False]
        assert all(page["Count"] == page["ScannedCount"] == len(page["Items"]) for page in read)
        found += [item for page in read for item in page["Items"]]
    assert found == [json.loads(item) for item in make_items(ITEMS)]


def ask(url: str, method: str, path: str, body: bytes = b"", target: str = "") -> tuple[int, bytes, str | None]:
    """The answer's status, its body and the checksum that came with it."""
    connection = HTTPConnection(url.removeprefix("http://"))
    connection.request(method, path, body, {"X-Amz-Target": target})
    answer = connection.getresponse()
    with contextlib.closing(connection):
        return answer.status, answer.read(), answer.headers["x-amz-crc32"]


def test_the_endpoint_scans_every_item_once_with_the_right_checksum() -> None:
    with DynamoDBEndpoint(items=ITEMS, segments=2) as endpoint:
        for total in (1, 2, 3):
            keys = []
            for segment in range(total):
                request: dict[str, Any] = {"TableName": ARN, "Segment": segment, "TotalSegments": total}
                while True:
                    status, body, checksum = ask(endpoint.url, "POST", "/", json.dumps(request).encode(), SCAN)
                    assert (status, checksum) == (200, str(zlib.crc32(body)))
                    page = json.loads(body)
                    keys += [item["documentId"]["S"] for item in page["Items"]]
                    if "LastEvaluatedKey" not in page:
                        break
                    request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
            assert keys == [f"doc-{number:09}" for number in range(ITEMS)]
        assert ask(endpoint.url, "POST", "/", b'{"Segment": 3, "TotalSegments": 3}', SCAN)[0] == 400


def test_s3_holds_what_was_put_whole_or_in_parts_and_forgets_what_was_aborted() -> None:
    with S3Endpoint() as endpoint:
        ask(endpoint.url, "PUT", "/bucket/whole", b"abc")
        assert ask(endpoint.url, "GET", "/bucket/whole")[1] == b"abc"
        for key, finish in (("parts", "POST"), ("aborted", "DELETE")):
            begun = ask(endpoint.url, "POST", f"/bucket/{key}?uploads")[1].decode()
            upload = begun.partition("<UploadId>")[2].partition("<")[0]
            for number, part in ((2, b"second"), (1, b"first ")):
                ask(endpoint.url, "PUT", f"/bucket/{key}?uploadId={upload}&partNumber={number}", part)
            named = b"<Part><PartNumber>1</PartNumber></Part><Part><PartNumber>2</PartNumber></Part>"
            ask(endpoint.url, finish, f"/bucket/{key}?uploadId={upload}", named)
        assert ask(endpoint.url, "GET", "/bucket/parts")[1] == b"first second"
        assert ask(endpoint.url, "GET", "/bucket/aborted")[0] == 404
