"""Compares the source with the items that the run read: an item that changed since then does not count as different."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Any

from demand.doctor.source import table_name
from demand.stack import Stack
from demand_pipeline.dynamodb.typed_json import Item
from demand_pipeline.tables import Table

_BATCH = 100  # keys; DynamoDB: BatchGetItem takes up to 100
_SETS = ("SS", "NS", "BS")

type Digests = dict[str, bytes]
"""A digest of each item by its key, both of DynamoDB's typed JSON."""


@dataclass(frozen=True)
class SinceThen:
    """Numbers of items that changed, vanished or are new since the run; a sample cannot find new items."""

    changed: int
    gone: int
    new: int | None


def digest(item: Item) -> bytes:
    """Return the same digest for the same item: attributes and members of sets have no order."""
    return hashlib.blake2b(json.dumps(_canonical(item), sort_keys=True).encode(), digest_size=16).digest()


def identity(table: Table, item: Item) -> str:
    """Return an item's key as text, to find the item again."""
    return json.dumps(_canonical({column.attribute: item[column.attribute] for column in table.key}), sort_keys=True)


def since_then(stack: Stack, table: Table, read: Digests) -> SinceThen:
    """Scan the whole source table, and compare it with the items that a run read."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=table_name(stack, table))
    left = dict(read)
    changed = new = 0
    for item in (item for page in pages for item in page["Items"]):
        before = left.pop(identity(table, item), None)
        new += before is None
        changed += before is not None and before != digest(item)
    return SinceThen(changed=changed, gone=len(left), new=new)


def since_then_of(stack: Stack, table: Table, read: Digests) -> SinceThen:
    """Read the items of a sample from the source by their keys, and compare them."""
    changed = found = 0
    for item in _get(stack, table, read):
        found += 1
        changed += read[identity(table, item)] != digest(item)
    return SinceThen(changed=changed, gone=len(read) - found, new=None)


def _get(stack: Stack, table: Table, read: Digests) -> Iterator[Item]:
    name, dynamodb = table_name(stack, table), stack.client("dynamodb")
    for keys in batched(read, _BATCH, strict=False):
        wanted: Mapping[str, Any] = {name: {"Keys": [_for_boto3(json.loads(key)) for key in keys]}}
        while wanted:
            answer = dynamodb.batch_get_item(RequestItems=wanted)
            for items in answer["Responses"].values():
                yield from items
            wanted = answer.get("UnprocessedKeys", {})


def _for_boto3(key: Item) -> dict[str, Any]:
    """Convert a key for boto3: binary values become bytes."""
    return {
        name: {kind: base64.b64decode(text) if kind == "B" else text for kind, text in value.items()}
        for name, value in key.items()
    }


def _canonical(value: Any) -> Any:
    """Convert a typed value from a page or from boto3 to DynamoDB's JSON, with sorted sets."""
    if isinstance(value, dict):
        return {
            name: sorted(map(_canonical, inner)) if name in _SETS and isinstance(inner, list) else _canonical(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value
