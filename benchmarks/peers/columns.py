"""The columns of the table to fill, which the benchmark passes in a file, and their values in a deserialised item."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import simplejson
from boto3.dynamodb.types import Binary

SOURCE = "documents"
TABLE = "cases"
COLUMNS: list[tuple[str, str, list[str]]] = json.loads(Path(os.environ["BENCHMARK_COLUMNS"]).read_text())
NAMES = [name for name, _, _ in COLUMNS]


def pages(**arguments: Any) -> Iterator[list[dict[str, Any]]]:
    """Read the table page by page with boto3's resource, which deserialises items."""
    table = boto3.resource("dynamodb").Table(SOURCE)
    while True:
        page = table.scan(**arguments)
        yield page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def row(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item's values by column, in types that drivers for PostgreSQL accept."""
    return {name: _converted(kind, _find(item, path)) for name, kind, path in COLUMNS}


def _find(value: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _converted(kind: str, value: Any) -> Any:
    match value:
        case None:
            return None
        case Binary():
            return value.value
        case set():
            return sorted(value)
        case Decimal() if kind == "timestamptz":
            return datetime.fromtimestamp(int(value), UTC)
        case _ if kind == "jsonb":
            return simplejson.dumps(value, use_decimal=True, ensure_ascii=False)
    return value
