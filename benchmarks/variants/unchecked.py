"""The rows of `cases` without a single check: what the transform would cost if every item were right.

An item that lacks an attribute, or has a backslash in a set, is converted by the project itself.
"""

from binascii import a2b_base64
from collections.abc import Callable
from typing import Any

from benchmarks.workload import CASES
from demand_pipeline.tables import Column, ColumnType
from demand_pipeline.transform.jsonb import json_string, to_json
from demand_pipeline.transform.rows import Row, RowMaker
from demand_pipeline.transform.times import epoch_text

# No range, no digits, no length, no leftover attribute is looked at.
_CELLS = {
    ColumnType.TEXT: "json_string({}['S'])",
    ColumnType.NUMERIC: "{}['N']",
    ColumnType.BIGINT: "{}['N']",
    ColumnType.BOOLEAN: "BOOLEANS[{}['BOOL']]",
    ColumnType.DATE: "json_string({}['S'])",
    ColumnType.TIMESTAMPTZ: "timestamp({})",
    ColumnType.TEXT_ARRAY: "text_array({}['SS'])",
    ColumnType.JSONB: "json_string(to_json({}))",
    ColumnType.BYTEA: "bytea({}['B'])",
}


def _timestamp(value: dict[str, str]) -> str:
    return json_string(value["S"]) if "S" in value else epoch_text(value["N"])


def _text_array(elements: list[str]) -> str:
    text = '{"' + '","'.join(sorted(elements)) + '"}'
    if "\\" in text:
        raise KeyError(text)
    return json_string(text)


def _bytea(text: str) -> str:
    return f'"\\\\x{a2b_base64(text).hex()}"'


def _value(column: Column) -> str:
    return "item" + "['M']".join(f"[{name!r}]" for name in column.path)


def _compile() -> Callable[[Any], str]:
    cells = ",".join(f"{{{_CELLS[column.type].format(_value(column))}}}" for column in CASES.columns)
    names = {"json_string": json_string, "to_json": to_json, "BOOLEANS": {True: "true", False: "false"}}
    names |= {"timestamp": _timestamp, "text_array": _text_array, "bytea": _bytea}
    unchecked: Callable[[Any], str] = eval(  # noqa: S307 - written above, from the declaration alone
        f"lambda item: f'''[{cells},null]\\n'''", names
    )
    return unchecked


_checked = RowMaker(CASES).line
_unchecked = _compile()


def row(item: dict[str, Any]) -> str:
    """The staged line of an item in DynamoDB JSON."""
    try:
        return _unchecked(item)
    except KeyError:
        return _checked(item)


def _line(_: RowMaker, item: dict[str, Any]) -> str:
    return row(item)


def _make(_: RowMaker, item: dict[str, Any]) -> Row:
    return Row(row(item), sanitized=False)


def convert_unchecked() -> None:
    """Let the transform of this process convert items in this way."""
    RowMaker.line, RowMaker.make = _line, _make  # type: ignore[method-assign,assignment]
