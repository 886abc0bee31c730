"""A DynamoDB server that answers Scan of `documents` with prepared pages, and Secrets Manager's GetSecretValue."""

import json
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.items import Items
from benchmarks.server import Answer, Request, Server, serve

# Numbers of segments with prepared pages: one segment or two, and their halves, which a function reads in parallel.
_TOTALS = (1, 2, 4)


class DynamoDBServer(Server):
    """The server, running during a `with` block; each page takes `latency_ms`."""

    def __init__(self, *, items: int, latency_ms: float = 0, secrets: Mapping[str, str] | None = None) -> None:
        super().__init__("benchmarks.dynamodb_server", str(items), str(latency_ms), json.dumps(secrets or {}))


class Answers:
    """All answers, by request."""

    def __init__(self, items: Items, latency_ms: float, secrets: Mapping[str, str]) -> None:
        self._latency = latency_ms / 1000
        self._secrets = secrets
        self._pages: dict[tuple[int, int, str | None], Answer] = {}
        for total in _TOTALS:
            for segment in range(total):
                start = None
                for page in items.pages(total, segment):
                    self._pages[total, segment, start] = _answer(page)
                    start = _key(json.loads(b'{"Items":[' + page[-1]).get("LastEvaluatedKey"))

    def answer(self, request: Request) -> Answer:
        """Answer a request, with a ValidationException if no answer was prepared for it."""
        operation, asked = request.headers["x-amz-target"].rpartition(".")[2], json.loads(request.body)
        try:
            if operation == "GetSecretValue":
                name = asked["SecretId"]
                return _answer([json.dumps({"Name": name, "SecretString": self._secrets[name]}).encode()])
            time.sleep(self._latency)
            start = _key(asked.get("ExclusiveStartKey"))
            return self._pages[asked.get("TotalSegments", 1), asked.get("Segment", 0), start]
        except KeyError as error:
            message = f"no answer was prepared for {error}, in {operation} {asked}"
            return _answer([json.dumps({"__type": "x#ValidationException", "message": message}).encode()], 400)


def _answer(body: Sequence[bytes | memoryview], status: int = 200) -> Answer:
    checksum = 0
    for part in body:
        checksum = zlib.crc32(part, checksum)
    return Answer(body, {"Content-Type": "application/x-amz-json-1.0", "x-amz-crc32": str(checksum)}, status)


def _key(key: dict[str, Any] | None) -> str | None:
    return None if key is None else str(key["documentId"]["S"])


if __name__ == "__main__":
    count, latency_ms, secrets = sys.argv[1:]
    serve(Answers(Items(int(count)), float(latency_ms), json.loads(secrets)).answer)
