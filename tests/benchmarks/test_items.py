"""The made-up items are as described, and the servers answer as AWS would."""

import base64
import contextlib
import json
import secrets
import zlib
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
import pytest

from benchmarks.dynamodb_server import DynamoDBServer
from benchmarks.environment import make_certificate
from benchmarks.items import PAGE_BYTES, STORED_BYTES, Items, make_items
from benchmarks.s3_server import S3Server
from benchmarks.workload import ARN, CASES
from demand_pipeline.s3.multipart import PART_BYTES
from demand_pipeline.s3.staging import Staging
from tests.support.reference import expected_row

ITEMS = 2500
SCAN = "DynamoDB_20120810.Scan"


def test_items_are_of_the_stated_size_and_depend_on_their_number_alone() -> None:
    sizes = [len(item) for item in make_items(10_000)]
    assert 890 <= sum(sizes) / len(sizes) <= 900
    assert list(make_items(10, 1990)) == list(make_items(2000))[1990:]


def stored_bytes(item: dict[str, Any]) -> int:
    """DynamoDB, "Item sizes and formats": names and values, without their types."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(typed: dict[str, Any]) -> int:
    ((kind, value),) = typed.items()
    sizes: dict[str, Any] = {
        "S": lambda: len(value.encode()),
        "N": lambda: (len(value.lstrip("-").replace(".", "").strip("0")) + 1) // 2 + 1,
        "B": lambda: len(base64.b64decode(value)),
        "SS": lambda: sum(len(member.encode()) for member in value),
        "M": lambda: 3 + len(value) + stored_bytes(value),
        "L": lambda: 3 + len(value) + sum(map(value_bytes, value)),
        "BOOL": lambda: 1,
        "NULL": lambda: 1,
    }
    size: int = sizes[kind]()
    return size


def test_the_stored_size_is_by_dynamodb_s_rules() -> None:
    sizes = [stored_bytes(json.loads(item)) for item in make_items(2000)]
    assert sum(sizes) / 2000 == pytest.approx(STORED_BYTES, abs=0.05)


def test_items_are_what_the_table_takes_with_every_column_long_numbers_and_unread_attributes() -> None:
    rows = [expected_row(json.loads(item), CASES)[0] for item in make_items(1000)]
    assert all(any(row[column.name] is not None for row in rows) for column in CASES.stored_columns)
    digits = [len(row["gross_amount"].as_tuple().digits) for row in rows]
    assert max(digits) == 38
    assert 0.01 < sum(each == 38 for each in digits) / 1000 < 0.03
    assert 0.01 < sum(row["extra"] is not None for row in rows) / 1000 < 0.04
    assert len({row["document_id"] for row in rows}) == 1000


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_the_pages_of_all_segments_hold_every_item_once(segments: int) -> None:
    found: list[dict[str, Any]] = []
    for segment in range(segments):
        bodies = [b"".join(parts) for parts in Items(ITEMS).pages(segments, segment)]
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


def test_the_server_scans_every_item_once_with_the_right_checksum() -> None:
    with DynamoDBServer(items=ITEMS) as server:
        for total in (1, 2, 4):
            keys = []
            for segment in range(total):
                request: dict[str, Any] = {"TableName": ARN, "Segment": segment, "TotalSegments": total}
                while True:
                    status, body, checksum = ask(server.url, "POST", "/", json.dumps(request).encode(), SCAN)
                    assert (status, checksum) == (200, str(zlib.crc32(body)))
                    page = json.loads(body)
                    keys += [item["documentId"]["S"] for item in page["Items"]]
                    if "LastEvaluatedKey" not in page:
                        break
                    request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
            assert keys == [f"doc-{number:09}" for number in range(ITEMS)]
        assert ask(server.url, "POST", "/", b'{"Segment": 2, "TotalSegments": 2}', SCAN)[0] == 400


def test_s3_keeps_what_was_put_whole_or_in_parts() -> None:
    with S3Server() as server:
        ask(server.url, "PUT", "/bucket/whole", b"abc")
        assert ask(server.url, "GET", "/bucket/whole")[1] == b"abc"
        begun = ask(server.url, "POST", "/bucket/parts?uploads")[1].decode()
        upload = begun.partition("<UploadId>")[2].partition("<")[0]
        for number, part in ((2, b"second"), (1, b"first ")):
            ask(server.url, "PUT", f"/bucket/parts?uploadId={upload}&partNumber={number}", part)
        listed = b"<Part><PartNumber>1</PartNumber></Part><Part><PartNumber>2</PartNumber></Part>"
        ask(server.url, "POST", f"/bucket/parts?uploadId={upload}", listed)
        assert ask(server.url, "GET", "/bucket/parts")[1] == b"first second"


def test_s3_takes_over_tls_what_the_functions_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "benchmark")
    authority, certificate = make_certificate(tmp_path)
    with S3Server(certificate) as server:
        s3 = boto3.client("s3", "eu-west-1", endpoint_url=server.url, verify=str(authority))
        staging = Staging("bucket", s3)
        for size in (1, 2 * PART_BYTES):
            data = secrets.token_bytes(size)
            with staging.create(f"{size}") as stream:
                stream.write(data)
            with staging.open(f"{size}") as stream:
                assert stream.read() == data
        s3.close()
