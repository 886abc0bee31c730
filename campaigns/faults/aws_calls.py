"""Injects faults of DynamoDB and S3 between boto3's retries and the network."""

import gzip
import json
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import boto3
import urllib3.exceptions
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from campaigns.faults import attempts
from campaigns.faults.faults import Fault, Injector

# A start key that means "from the beginning": the next key of an empty first page.
_BEGINNING = "\x01beginning"

type Send = Callable[[], AWSResponse]


@contextmanager
def faulty_aws_calls(injector: Injector, page_items: int) -> Iterator[None]:
    """Inject the faults into the functions' requests; their scans read pages of `page_items` items."""
    original: Any = BotocoreStubber.__call__

    def send(stubber: BotocoreStubber, event_name: str, request: Any, **rest: Any) -> Any:
        if not stubber.enabled or not attempts.in_task():
            return original(stubber, event_name, request, **rest)
        attempts.call()
        _, service, operation = event_name.split(".")
        if operation == "Scan":
            _cut_pages(request, page_items)
        place = _place(service, operation, request)
        fault = None if attempts.is_late() else injector.take(place)

        def proceed() -> AWSResponse:
            answer: AWSResponse = original(stubber, event_name, request, **rest)
            return answer

        return proceed() if fault is None else _INJECTIONS[fault.kind](fault, request, proceed)

    with mock.patch.object(BotocoreStubber, "__call__", send):
        yield


def _place(service: str, operation: str, request: Any) -> str:
    if operation == "Scan":
        body = json.loads(request.body)
        return f"scan/{body['TableName'].rpartition('/')[2]}/{body['Segment']}"
    if service == "s3":
        path = urllib.parse.urlsplit(request.url).path.split("/")
        kind = next((number for number, part in enumerate(path) if part in ("raw", "staged", "rejects")), None)
        return f"s3/{operation}/{path[kind]}/{path[kind + 1]}" if kind else f"s3/{operation}"
    return f"{service}/{operation}"


def _cut_pages(request: Any, items: int) -> None:
    body = json.loads(request.body)
    body["Limit"] = min(body.get("Limit", items), items)
    if {"S": _BEGINNING} in body.get("ExclusiveStartKey", {}).values():
        del body["ExclusiveStartKey"]
    request.body = json.dumps(body).encode()


def _answer(request: Any, status: int, body: bytes, headers: Any = None) -> AWSResponse:
    return AWSResponse(request.url, status, headers or {}, MockRawResponse(body))  # type: ignore[arg-type]


def _dynamodb_error(status: int, code: str, message: str) -> Callable[..., AWSResponse]:
    def inject(fault: Fault, request: Any, _: Send) -> AWSResponse:
        code_now = "ServiceUnavailable" if fault.variant == "503" else code
        body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code_now}", "message": message}
        return _answer(request, int(fault.variant or status), json.dumps(body).encode())

    return inject


def _s3_error(status: int, code: str) -> Callable[..., AWSResponse]:
    def inject(fault: Fault, request: Any, proceed: Send) -> AWSResponse:
        if fault.variant == "reset":
            raise ConnectionClosedError(endpoint_url=request.url)
        if fault.variant == "after":
            proceed()
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Please try again.</Message></Error>"
        return _answer(request, 200 if fault.variant == "200" else status, body.encode())

    return inject


def _reset(fault: Fault, request: Any, proceed: Send) -> AWSResponse:
    if fault.variant == "after":
        proceed()
    raise ConnectionClosedError(endpoint_url=request.url)


def _cut_body(fault: Fault, request: Any, proceed: Send) -> AWSResponse:
    """Truncate a body: urllib3 detects it by the length, or else boto3 by the checksum."""
    if fault.variant == "noticed":
        raise ConnectionClosedError(endpoint_url=request.url)
    answer = proceed()
    return _answer(request, 200, answer.raw.read()[:-7], dict(answer.headers))


def _wrong_checksum(_: Fault, request: Any, proceed: Send) -> AWSResponse:
    answer = proceed()
    return _answer(request, 200, answer.raw.read().replace(b"k-", b"x-"), {**answer.headers, "x-amz-crc32": "1"})


def _empty_page(fault: Fault, request: Any, proceed: Send) -> AWSResponse:
    body, name = json.loads(request.body), "LastEvaluatedKey"
    page: dict[str, Any] = {"Items": [], "Count": 0, "ScannedCount": 0, "ConsumedCapacity": {"CapacityUnits": 0.5}}
    if fault.variant == "last":  # the page was full when the segment ended, so an empty page follows
        answer = proceed()
        page = json.loads(answer.raw.read())
        if name in page or not page["Items"]:
            return _answer(request, 200, json.dumps(page).encode())
        table = boto3.client("dynamodb").describe_table(TableName=body["TableName"])["Table"]
        page[name] = {key["AttributeName"]: page["Items"][-1][key["AttributeName"]] for key in table["KeySchema"]}
    else:
        page[name] = body.get("ExclusiveStartKey") or {"documentId": {"S": _BEGINNING}}
    return _answer(request, 200, json.dumps(page).encode())


class _BrokenBody(MockRawResponse):
    """A body whose connection breaks after it was read."""

    def read(self, size: int | None = -1, /, **_: Any) -> bytes:
        if not (data := super().read(size)):
            raise urllib3.exceptions.ProtocolError("Connection broken: IncompleteRead")
        return data


def _read_cut(fault: Fault, request: Any, proceed: Send) -> AWSResponse:
    answer: Any = proceed()
    body = answer.raw.read()
    kind = _BrokenBody if fault.variant == "reset" else MockRawResponse
    return AWSResponse(request.url, answer.status_code, answer.headers, kind(body[: len(body) // 2]))


def _lose(fault: Fault, request: Any, proceed: Send) -> AWSResponse:
    """Delete the object, or replace it with a part of it, permanently."""
    bucket, _, key = urllib.parse.unquote(urllib.parse.urlsplit(request.url).path).lstrip("/").partition("/")
    if not urllib.parse.urlsplit(request.url).hostname.startswith("s3."):
        bucket, key = urllib.parse.urlsplit(request.url).hostname.partition(".")[0], f"{bucket}/{key}"
    s3 = boto3.client("s3")
    attempts.leave_task()
    if fault.variant == "gone":
        s3.delete_object(Bucket=bucket, Key=key)
    else:
        answer = s3.get_object(Bucket=bucket, Key=key)
        body = answer["Body"].read()
        lines = gzip.decompress(body).splitlines(keepends=True)
        cut = gzip.compress(b"".join(lines[:-1])) if fault.variant == "line lost" else body[: len(body) // 2]
        s3.put_object(Bucket=bucket, Key=key, Metadata=answer["Metadata"], Body=cut)
    attempts.enter_task()
    return proceed()


_INJECTIONS: dict[str, Callable[..., AWSResponse]] = {
    "dynamodb throttled": _dynamodb_error(400, "ProvisionedThroughputExceededException", "Rate exceeded"),
    "dynamodb 5xx": _dynamodb_error(500, "InternalServerError", "Internal server error"),
    "dynamodb reset": _reset,
    "dynamodb cut body": _cut_body,
    "dynamodb wrong checksum": _wrong_checksum,
    "dynamodb empty page": _empty_page,
    "dynamodb expired token": _dynamodb_error(400, "ExpiredTokenException", "The security token has expired"),
    "s3 slow down": _s3_error(503, "SlowDown"),
    "s3 500": _s3_error(500, "InternalError"),
    "s3 part failed": _s3_error(500, "InternalError"),
    "s3 completion failed": _s3_error(500, "InternalError"),
    "s3 read cut": _read_cut,
    "s3 object lost": _lose,
}
