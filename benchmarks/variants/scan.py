"""Variants of reading the pages of a segment: at most `pages` pages, or all."""

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.items import TABLE
from benchmarks.run_function import CHUNK_BYTES, UNLIMITED, invoke, scan_event
from benchmarks.workload import with_isal
from demand_pipeline.dynamodb.raw_pages import RawPages

type Task = dict[str, Any]
type Done = dict[str, Any]

_SEGMENT = {"Segment": 0, "TotalSegments": 1, "ReturnConsumedCapacity": "TOTAL"}
_last_key = re.compile(rb'\],"LastEvaluatedKey":(\{.*?\}\}),"ScannedCount":').search
_count = re.compile(rb'"Count":(\d+)').search


def handler(task: Task, read_units: int = 0) -> Done:
    """Run the deployed function, chunk by chunk: it checks, compresses and uploads pages to S3.

    With a limit on read units, even one that is never reached, it reads one page at a time.
    """
    one_page = task["pages"] == 1
    limits = {"chunkBytes": 1 if one_page else CHUNK_BYTES, "readUnitsPerSecond": read_units}
    answers = [invoke("scan_segment", scan_event(**limits))]
    while answers[-1]["nextKeys"] is not None and not one_page:
        more = {"chunk": len(answers), "startKeys": answers[-1]["nextKeys"]}
        answers.append(invoke("scan_segment", scan_event(**limits, **more)))
    chunks = [{name: answer[name] for name in ("key", "items", "bytes")} for answer in answers]
    return {"items": sum(chunk["items"] for chunk in chunks), "chunks": chunks}


def resource(task: Task) -> Done:
    """Scan with boto3's `Table.scan` and drop the items, like most scripts."""
    return _read(boto3.resource("dynamodb").Table(TABLE).scan, _SEGMENT, task)


def client(task: Task) -> Done:
    """Scan with boto3's `client.scan` and drop the items."""
    return _read(boto3.client("dynamodb").scan, {"TableName": TABLE, **_SEGMENT}, task)


def _read(scan: Callable[..., Any], arguments: dict[str, Any], task: Task) -> Done:
    items = 0
    start: dict[str, Any] = {}
    for _ in _turns(task):
        answer = scan(**arguments, **start)
        items += len(answer["Items"])
        if "LastEvaluatedKey" not in answer:
            break
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    return {"items": items}


def floor(task: Task) -> Done:
    """Sign requests by hand, check the pages' checksums and drop the pages: the lower bound of reading."""
    url = os.environ["AWS_ENDPOINT_URL"] + "/"
    signer = SigV4Auth(Credentials("benchmark", "benchmark"), "dynamodb", "eu-west-1")
    pool = urllib3.PoolManager()
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.Scan"}
    items = 0
    start: dict[str, Any] = {}
    for _ in _turns(task):
        body = json.dumps({"TableName": TABLE, **_SEGMENT, **start}).encode()
        request = AWSRequest("POST", url, headers=headers, data=body)
        signer.add_auth(request)
        answer = pool.request("POST", url, body=body, headers=dict(request.headers.items()))
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
    """Read pages with boto3 without parsing, check them like the function, compress them and put one object to S3."""
    source, compressor = RawPages(TABLE, UNLIMITED), zlib.compressobj(1, wbits=31)
    compressed: list[bytes] = []
    items, key = 0, None
    for _ in _turns(task):
        page = source.read("0/1", key, None)
        summary = page.summarize()
        compressed.append(compressor.compress(page.body))
        items, key = items + summary.items, summary.next_key
        if key is None:
            break
    body = b"".join([*compressed, compressor.flush()])
    boto3.client("s3").put_object(Bucket=os.environ["STAGING_BUCKET"], Key="plain-loop.json.gz", Body=body)
    return {"items": items}


def _turns(task: Task) -> Iterator[int]:
    """Return one turn per requested page."""
    return iter(range(task["pages"] or 1_000_000))


VARIANTS: dict[str, Callable[[Task], Done]] = {
    "handler": handler,
    "handler_isal": with_isal(handler),
    "one_reader": partial(handler, read_units=1_000_000_000),
    "resource": resource,
    "client": client,
    "floor": floor,
    "plain_loop": plain_loop,
}
