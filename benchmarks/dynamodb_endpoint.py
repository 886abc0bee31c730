"""A canned DynamoDB in a process of its own: DescribeTable, ListTables and Scan of `documents`, all made in advance.

It also answers Secrets Manager's GetSecretValue with what was put there.
"""

import argparse
import json
import threading
import time
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.endpoint import Endpoint, Handler, serve
from benchmarks.items import TABLE, Items

ARN = f"arn:aws:dynamodb:eu-west-1:111111111111:table/{TABLE}"
_OK = 200
_BAD_REQUEST = 400


class DynamoDBEndpoint(Endpoint):
    """The endpoint for the time of a `with` block.

    `segments` are the numbers of segments in which the table will be scanned; for these and for twice as many
    (a function reads both halves of its segment) the pages are made in advance, for any other number when it is
    first asked for. `latency_ms` is how long each page is waited for.
    """

    def __init__(
        self, *, items: int, segments: int | tuple[int, ...] = 1, latency_ms: float = 0, rejects: bool = False
    ) -> None:
        totals = (segments,) if isinstance(segments, int) else segments
        arguments = ["--items", str(items), "--latency-ms", str(latency_ms)]
        arguments += [
            "--segments",
            *(str(total * halves) for total in totals for halves in (1, 2)),
            *(["--rejects"] if rejects else []),
        ]
        super().__init__("benchmarks.dynamodb_endpoint", arguments)

    def put_secret(self, name: str, text: str) -> None:
        """Let Secrets Manager's GetSecretValue answer with a text."""
        body = json.dumps({"SecretId": name, "SecretString": text}).encode()
        request = urllib.request.Request(  # noqa: S310 - the endpoint's own address
            self.url, body, {"X-Amz-Target": "secretsmanager.PutSecretValue"}
        )
        urllib.request.urlopen(request).close()  # noqa: S310 - the same


class UnknownRequestError(ValueError):
    """Nothing was made in advance for this request."""


@dataclass(frozen=True)
class Answer:
    """A body in parts, and the checksum that DynamoDB sends with it."""

    parts: Sequence[bytes | memoryview]
    checksum: int

    @classmethod
    def of(cls, *parts: bytes | memoryview) -> "Answer":
        """The answer with this body."""
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        return cls(parts, checksum)


class Canned:
    """Every answer by what it is asked for."""

    def __init__(self, items: Items, segments: list[int], *, latency_ms: float = 0) -> None:
        self._items = items
        self._latency = latency_ms / 1000
        self._scans: dict[int, dict[tuple[int, str | None], Answer]] = {}
        self._secrets: dict[str, str] = {}
        self._description = _description(items)
        self._cutting = threading.Lock()
        for total in segments:
            self._cut(total)

    def _cut(self, total: int) -> dict[tuple[int, str | None], Answer]:
        """Make all pages for a number of segments, once; by segment and start key."""
        with self._cutting:
            if total not in self._scans:
                answers: dict[tuple[int, str | None], Answer] = {}
                for segment in range(total):
                    start = None
                    for parts in self._items.pages(total, segment):
                        answers[segment, start] = Answer.of(*parts)
                        start = _last_key(parts[-1])
                self._scans[total] = answers
            return self._scans[total]

    def answer(self, operation: str, request: dict[str, Any]) -> Answer:
        """The answer to an operation (`DynamoDB_20120810.Scan` …); raises UnknownRequestError."""
        match operation.rpartition(".")[2]:
            case "Scan":
                return self._scan(request)
            case "DescribeTable":
                return self._description
            case "ListTables":
                return _json({"TableNames": [TABLE]})
            case "PutSecretValue":
                self._secrets[request["SecretId"]] = request["SecretString"]
                return _json({})
            case "GetSecretValue" if request["SecretId"] in self._secrets:
                name = request["SecretId"]
                return _json({"ARN": name, "Name": name, "SecretString": self._secrets[name]})
        raise UnknownRequestError(f"{operation} {request}")

    def _scan(self, request: dict[str, Any]) -> Answer:
        key = request.get("ExclusiveStartKey")
        page = (request.get("Segment", 0), key and key["documentId"]["S"])
        answers = self._cut(request.get("TotalSegments", 1))
        if page not in answers:
            raise UnknownRequestError(f"Scan from {page}")
        time.sleep(self._latency)
        return answers[page]


class _DynamoDBHandler(Handler):
    def __init__(self, canned: Canned, *arguments: Any) -> None:
        self._canned = canned
        super().__init__(*arguments)

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        status = _OK
        try:
            answer = self._canned.answer(self.headers["X-Amz-Target"], json.loads(self.body()))
        except UnknownRequestError as error:
            status = _BAD_REQUEST
            answer = _json({"__type": "com.amazon.coral.validate#ValidationException", "message": str(error)})
        headers = {"Content-Type": "application/x-amz-json-1.0", "x-amz-crc32": str(answer.checksum)}
        self.answer(status, b"".join(answer.parts), headers)


def _last_key(end_of_page: bytes) -> str | None:
    """Where the next page starts, from what follows a page's items."""
    key: dict[str, Any] | None = json.loads(b'{"Items":[' + end_of_page).get("LastEvaluatedKey")
    return None if key is None else str(key["documentId"]["S"])


def _description(items: Items) -> Answer:
    return _json(
        {
            "Table": {
                "TableName": TABLE,
                "TableArn": ARN,
                "TableStatus": "ACTIVE",
                "CreationDateTime": 1_764_000_000,
                "ItemCount": len(items),
                "TableSizeBytes": items.size,
                "KeySchema": [{"AttributeName": "documentId", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "documentId", "AttributeType": "S"}],
                "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            }
        }
    )


def _json(value: Any) -> Answer:
    return Answer.of(json.dumps(value).encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--segments", type=int, nargs="+", default=[1])
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--rejects", action="store_true")
    given = parser.parse_args()
    canned = Canned(Items(given.items, rejects=given.rejects), given.segments, latency_ms=given.latency_ms)
    serve(partial(_DynamoDBHandler, canned))
