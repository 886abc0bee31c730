"""Ways to make a staged chunk of a raw one, or only to parse it."""

import gzip
import io
import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import boto3

from benchmarks.run_function import UNLIMITED, invoke
from benchmarks.ways import deserialized, unchecked
from benchmarks.ways.events import transform_event
from demand_pipeline import clients
from demand_pipeline.dynamodb.typed_json import iterate_items
from demand_pipeline.s3.staging import Staging

type Task = dict[str, Any]
type Done = dict[str, Any]

_scan_value = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # typeshed does not know it
_BUCKET = os.environ.get("STAGING_BUCKET", "")


def handler(task: Task) -> Done:
    """The deployed function: raw chunk from S3, staged chunk to S3."""
    answer = invoke("transform", transform_event(task))
    return {"items": answer["staged"], "key": answer["key"]}


def deserializer(task: Task) -> Done:
    """The same rows by boto3's TypeDeserializer, from S3 and to S3 as well."""
    items, key = 0, task["key"].replace("/raw/", "/deserialized/")
    staged = io.BytesIO()
    with gzip.GzipFile(fileobj=staged, mode="wb", compresslevel=1) as stream:
        for page in _raw_pages(task["key"]):
            for item in json.loads(page)["Items"]:
                stream.write(deserialized.row(item).encode())
                items += 1
    _s3().put_object(Bucket=_BUCKET, Key=key, Body=staged.getvalue())
    return {"items": items, "key": key}


def floor(task: Task) -> Done:
    """Parse the items one by one and drop each before the next, as fast as the standard library can.

    The pages are in memory already, so that neither S3 nor gzip counts.
    """
    return {"items": sum(map(_parse, _pages_in_memory(task["key"])))}


def reading_floor(task: Task) -> Done:
    """The same, but from the raw chunk in S3, as the function has it."""
    return {"items": sum(map(_parse, Staging(_BUCKET, clients.client("s3", UNLIMITED)).lines(task["key"])))}


def no_checks(task: Task) -> Done:
    """The function's own rows, by a conversion that takes every item for what it should be, from S3 and to S3."""
    items, key, staging = (
        0,
        task["key"].replace("/raw/", "/unchecked/"),
        Staging(_BUCKET, clients.client("s3", UNLIMITED)),
    )
    with staging.create(key) as stream:
        for page in staging.lines(task["key"]):
            rows = [unchecked.row(item) for item in iterate_items(page)]
            stream.write("".join(rows).encode())
            items += len(rows)
    return {"items": items, "key": key}


def _parse(page: bytes) -> int:
    text, items = page.decode(), 0
    position = text.index('"Items":[') + len('"Items":')
    while text[position] != "]":
        _, position = _scan_value(text, position + 1)
        items += 1
    return items


@cache
def _pages_in_memory(key: str) -> list[bytes]:
    return list(_raw_pages(key))


def _raw_pages(key: str) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=_s3().get_object(Bucket=_BUCKET, Key=key)["Body"]) as stream:
        yield from stream


@cache
def _s3() -> Any:
    return boto3.client("s3")


WAYS: dict[str, Callable[[Task], Done]] = {
    "handler": handler,
    "deserializer": deserializer,
    "floor": floor,
    "reading_floor": reading_floor,
    "no_checks": no_checks,
}
