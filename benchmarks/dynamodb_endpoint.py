"""A canned DynamoDB in a process of its own: DescribeTable, ListTables and Scan of `documents`, all made in advance.

It also answers Secrets Manager's GetSecretValue with what was put there.
"""

import argparse
import json
import time
import urllib.request
import zlib
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.endpoint import Endpoint, Handler, serve
from benchmarks.items import SEED, TABLE, pages

ARN = f"arn:aws:dynamodb:eu-west-1:111111111111:table/{TABLE}"
_OK = 200
_BAD_REQUEST = 400


class DynamoDBEndpoint(Endpoint):
    """The endpoint for the time of a `with` block.

    `segments` are the numbers of segments in which the table may be scanned; `latency_ms` is how long
    each page is waited for.
    """

    def __init__(
        self, *, items: int, segments: int | tuple[int, ...] = 1, latency_ms: float = 0, rejects: bool = False
    ) -> None:
        totals = (segments,) if isinstance(segments, int) else segments
        arguments = ["--items", str(items), "--latency-ms", str(latency_ms)]
        arguments += ["--segments", *map(str, totals), *(["--rejects"] if rejects else [])]
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
    """A body and the checksum that DynamoDB sends with it."""

    body: bytes
    checksum: str

    @classmethod
    def of(cls, body: bytes) -> "Answer":
        """The answer with this body."""
        return cls(body, str(zlib.crc32(body)))


class Canned:
    """Every answer by what it is asked for."""

    def __init__(self, items: int, segments: list[int], *, latency_ms: float = 0, rejects: bool = False) -> None:
        self._latency = latency_ms / 1000
        self._scans: dict[tuple[int, int, str | None], Answer] = {}
        self._secrets: dict[str, str] = {}
        for total in sorted(set(segments)):
            for segment in range(total):
                self._add_segment(items, total, segment, rejects=rejects)
        size = sum(len(answer.body) for (total, _, _), answer in self._scans.items() if total == max(segments))
        self._description = _description(items, size)

    def _add_segment(self, items: int, total: int, segment: int, *, rejects: bool) -> None:
        start = None
        for page in pages(items, total, segment, seed=SEED, rejects=rejects):
            self._scans[total, segment, start] = Answer.of(page)
            start = _last_key(page)

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
        place = (request.get("TotalSegments", 1), request.get("Segment", 0), key and key["documentId"]["S"])
        if place not in self._scans:
            raise UnknownRequestError(f"Scan of {place}")
        time.sleep(self._latency)
        return self._scans[place]


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
        headers = {"Content-Type": "application/x-amz-json-1.0", "x-amz-crc32": answer.checksum}
        self.answer(status, answer.body, headers)


def _last_key(page: bytes) -> str | None:
    """The page's LastEvaluatedKey, from its end."""
    _, found, rest = page.rpartition(b'],"LastEvaluatedKey":')
    if not found:
        return None
    key: str = json.loads(rest.partition(b',"ScannedCount"')[0])["documentId"]["S"]
    return key


def _description(items: int, size: int) -> Answer:
    return _json(
        {
            "Table": {
                "TableName": TABLE,
                "TableArn": ARN,
                "TableStatus": "ACTIVE",
                "CreationDateTime": 1_764_000_000,
                "ItemCount": items,
                "TableSizeBytes": size,
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
    serve(
        partial(
            _DynamoDBHandler, Canned(given.items, given.segments, latency_ms=given.latency_ms, rejects=given.rejects)
        )
    )
