"""Converts items of `cases` with boto3's TypeDeserializer: the simple and slow way to the functions' rows.

The rows are correct for items that fit the declaration; other items raise some exception.
"""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from benchmarks.workload import CASES
from demand_pipeline.tables import ColumnType, ItemPath

_deserialize: Callable[[Any], Any] = TypeDeserializer().deserialize


def row(item: dict[str, Any]) -> str:
    """Return the staged line of an item in DynamoDB JSON."""
    values = {name: _deserialize(_with_bytes(value)) for name, value in item.items()}
    cells = [_cell(column.type, _take(values, column.path)) for column in CASES.columns]
    rest = {name: value for name, value in values.items() if value is not None and value != {}}
    return "[" + ",".join([*cells, _quoted(_json(rest)) if rest else "null"]) + "]\n"


def _with_bytes(typed: dict[str, Any]) -> dict[str, Any]:
    """Decode base64, as boto3's parser would."""
    return {"B": base64.b64decode(typed["B"])} if "B" in typed else typed


def _take(values: Any, path: ItemPath) -> Any:
    """Remove and return a value, and remove its map once it is empty, so that the unread rest remains."""
    first, *rest = path
    if not rest:
        return values.pop(first, None)
    inner = values.get(first)
    if not isinstance(inner, dict):
        return None
    value = _take(inner, tuple(rest))
    if not inner:
        del values[first]
    return value


def _cell(kind: ColumnType, value: Any) -> str:
    return "null" if value is None else _CELLS[kind](value)


def _timestamp(value: Any) -> str:
    if isinstance(value, Decimal):
        moment = datetime.fromtimestamp(int(value), UTC)
    else:
        moment = datetime.fromisoformat(value).astimezone(UTC)
    return _quoted(moment.isoformat())


def _array(values: Any) -> str:
    texts = ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in sorted(values)]
    return _quoted("{" + ",".join(texts) + "}")


def _json(value: Any) -> str:
    """Convert a value to JSON with all digits of a number; json.dumps would need a float."""
    match value:
        case Decimal():
            return str(value)
        case dict():
            return "{" + ",".join([f"{_quoted(name)}:{_json(member)}" for name, member in value.items()]) + "}"
        case list():
            return "[" + ",".join(map(_json, value)) + "]"
        case set():
            return "[" + ",".join(map(_json, sorted(value))) + "]"
    return json.dumps(value, ensure_ascii=False)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_CELLS: dict[ColumnType, Callable[[Any], str]] = {
    ColumnType.TEXT: _quoted,
    ColumnType.NUMERIC: str,
    ColumnType.BIGINT: lambda value: str(int(value)),
    ColumnType.BOOLEAN: json.dumps,
    ColumnType.DATE: lambda value: _quoted(datetime.fromisoformat(value).date().isoformat()),
    ColumnType.TIMESTAMPTZ: _timestamp,
    ColumnType.TEXT_ARRAY: _array,
    ColumnType.JSONB: lambda value: _quoted(_json(value)),
    ColumnType.BYTEA: lambda value: _quoted("\\x" + bytes(value).hex()),
}
