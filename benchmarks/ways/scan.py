"""Ways to read the pages of a segment: at most `pages` of them, or all."""

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.items import TABLE
from benchmarks.run_function import UNLIMITED, invoke
from benchmarks.stand import CHUNK_BYTES
from benchmarks.ways.events import scan_event
from demand_pipeline.dynamodb.raw_pages import RawPages

type Task = dict[str, Any]
type Done = dict[str, Any]

_SEGMENT = {"Segment": 0, "TotalSegments": 1, "ReturnConsumedCapacity": "TOTAL"}
_last_key = re.compile(rb'\],"LastEvaluatedKey":(\{.*?\}\}),"ScannedCount":').search
_count = re.compile(rb'"Count":(\d+)').search


def handler(task: Task) -> Done:
    """The deployed function, chunk by chunk: pages checked, compressed, uploaded to S3."""
    return _scan(task, read_units=0)


def one_reader(task: Task) -> Done:
    """The deployed function with a limit that is never reached, for which it reads one page at a time."""
    return _scan(task, read_units=1_000_000_000)


def _scan(task: Task, read_units: int) -> Done:
    one_page = task["pages"] == 1
    limits = {"chunkBytes": 1 if one_page else CHUNK_BYTES, "readUnitsPerSecond": read_units}
    answers = [invoke("scan_segment", scan_event() | limits)]
    while answers[-1]["nextKeys"] is not None and not one_page:
        more = {"chunk": len(answers), "startKeys": answers[-1]["nextKeys"]}
        answers.append(invoke("scan_segment", scan_event() | limits | more))
    chunks = [{name: answer[name] for name in ("key", "items", "bytes")} for answer in answers]
    return {"items": sum(chunk["items"] for chunk in chunks), "chunks": chunks}


def resource(task: Task) -> Done:
    """boto3's `Table.scan`, items dropped: what most scripts do."""
    return _read(boto3.resource("dynamodb").Table(TABLE).scan, _SEGMENT, task)


def client(task: Task) -> Done:
    """boto3's `client.scan`, items dropped."""
    return _read(boto3.client("dynamodb").scan, {"TableName": TABLE, **_SEGMENT}, task)


def _read(scan: Callable[..., Any], arguments: dict[str, Any], task: Task) -> Done:
    items = 0
    start: dict[str, Any] = {}
    for _ in _pages(task):
        answer = scan(**arguments, **start)
        items += len(answer["Items"])
        if "LastEvaluatedKey" not in answer:
            break
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    return {"items": items}


def floor(task: Task) -> Done:
    """Requests signed by hand, pages checked against their checksum and dropped: reading cannot cost less."""
    host = os.environ["AWS_ENDPOINT_URL"]
    signer = SigV4Auth(Credentials("benchmark", "benchmark"), "dynamodb", "eu-west-1")
    pool = urllib3.PoolManager()
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.Scan"}
    items = 0
    start: dict[str, Any] = {}
    for _ in _pages(task):
        body = json.dumps({"TableName": TABLE, **_SEGMENT, **start}).encode()
        request = AWSRequest("POST", host + "/", headers=headers, data=body)
        signer.add_auth(request)
        answer = pool.request("POST", host + "/", body=body, headers=dict(request.headers.items()))
        page = answer.data
        if zlib.crc32(page) != int(answer.headers["x-amz-crc32"]):
            raise ValueError("a page does not match its checksum")
        count, key = _count(page), _last_key(page, max(0, len(page) - 1000))
        items += int(count[1]) if count else 0
        if key is None:
            break
        start = {"ExclusiveStartKey": json.loads(key[1])}
    return {"items": items}


def plain_loop(task: Task) -> Done:
    """Pages by boto3, not parsed, checked as the function does, compressed, and put to S3 at once: nothing else."""
    source, compressor = RawPages(TABLE, UNLIMITED), zlib.compressobj(1, wbits=31)
    compressed: list[bytes] = []
    items, key = 0, None
    for _ in _pages(task):
        page = source.read("0/1", key, None)
        summary = page.summarize()
        compressed.append(compressor.compress(page.body))
        items, key = items + summary.items, summary.next_key
        if key is None:
            break
    body = b"".join([*compressed, compressor.flush()])
    boto3.client("s3").put_object(Bucket=os.environ["STAGING_BUCKET"], Key="plain-loop.json.gz", Body=body)
    return {"items": items}


def _pages(task: Task) -> Iterator[int]:
    """As many turns as pages are wanted."""
    return iter(range(task["pages"] or 1_000_000))


WAYS: dict[str, Callable[[Task], Done]] = {
    "handler": handler,
    "one_reader": one_reader,
    "resource": resource,
    "client": client,
    "floor": floor,
    "plain_loop": plain_loop,
}
