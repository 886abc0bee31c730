"""Variants of converting a raw chunk to a staged chunk, or of only parsing it."""

import json
import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from benchmarks.run_function import UNLIMITED, invoke, transform_event
from benchmarks.variants import deserialized, drift, unchecked
from benchmarks.workload import with_isal
from demand_pipeline import clients
from demand_pipeline.dynamodb.typed_json import iterate_items
from demand_pipeline.s3.staging import Staging

type Task = dict[str, Any]
type Done = dict[str, Any]
type Item = dict[str, Any]

_DRIFT_PAGES = 4
_scan_value = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # missing in typeshed


def handler(task: Task) -> Done:
    """Run the deployed function: raw chunk from S3, staged chunk to S3."""
    answer = invoke("transform", transform_event(task))
    return {"items": answer["staged"], "key": answer["key"]}


def deserializer(task: Task) -> Done:
    """Convert whole pages with boto3's TypeDeserializer to the same rows, from S3 to S3."""
    return _convert(task, lambda page: json.loads(page)["Items"], deserialized.row)


def no_checks(task: Task) -> Done:
    """Convert items to the function's rows without any check, from S3 to S3."""
    return _convert(task, iterate_items, unchecked.row)


def _convert(task: Task, items: Callable[[bytes], Iterable[Item]], row: Callable[[Item], str]) -> Done:
    count, staging = 0, _staging()
    with staging.create("converted.json.gz") as stream:
        for page in staging.lines(task["key"]):
            rows = [row(item) for item in items(page)]
            stream.write("".join(rows).encode())
            count += len(rows)
    return {"items": count}


def floor(task: Task) -> Done:
    """Parse the items one by one and drop each before the next, as fast as the standard library can.

    The pages are already in memory, so that S3 and gzip do not count.
    """
    return {"items": sum(map(_parse, _pages_in_memory(task["key"])))}


def reading_floor(task: Task) -> Done:
    """Parse the items of the raw chunk in S3, as the function does, and drop them."""
    return {"items": sum(map(_parse, _staging().lines(task["key"])))}


def drift_cost(task: Task) -> Done:
    """Return the additional CPU of drift detection in `percent`."""
    pages = _pages_in_memory(task["key"])[:_DRIFT_PAGES]
    return {"items": task["items"], "percent": drift.cost(pages)}


def _parse(page: bytes) -> int:
    text, items = page.decode(), 0
    position = text.index('"Items":[') + len('"Items":')
    while text[position] != "]":
        _, position = _scan_value(text, position + 1)
        items += 1
    return items


@cache
def _pages_in_memory(key: str) -> list[bytes]:
    return list(_staging().lines(key))


def _staging() -> Staging:
    return Staging(os.environ["STAGING_BUCKET"], clients.client("s3", UNLIMITED))


VARIANTS: dict[str, Callable[[Task], Done]] = {
    "handler": handler,
    "handler_isal": with_isal(handler),
    "deserializer": deserializer,
    "floor": floor,
    "reading_floor": reading_floor,
    "no_checks": no_checks,
    "drift": drift_cost,
}
