"""Converts items of `cases` without any check: the cost of the transform if every item were as declared.

The conversion reads only the values of a row: it checks no range, no digits, no length, and no unread attribute.
The project's own code converts epoch times, for which it caches hours, and items without an attribute other than a
set: one in 25 of the benchmark's items.
"""

from binascii import a2b_base64
from collections.abc import Callable
from typing import Any

from benchmarks.workload import CASES
from demand_pipeline.tables import Column, ColumnType
from demand_pipeline.transform.jsonb import json_string
from demand_pipeline.transform.rows import Row, RowMaker
from demand_pipeline.transform.times import epoch_text

_CELLS = {
    ColumnType.TEXT: "json_string({value}['S'])",
    ColumnType.NUMERIC: "{value}['N']",
    ColumnType.BIGINT: "{value}['N']",
    ColumnType.BOOLEAN: "BOOLEANS[{value}['BOOL']]",
    ColumnType.DATE: "json_string({value}['S'])",
    ColumnType.TIMESTAMPTZ: "timestamp({value})",
    ColumnType.TEXT_ARRAY: "text_array(item.get('{name}'))",
    ColumnType.JSONB: "json_string(plain({value}))",
    ColumnType.BYTEA: "bytea({value}['B'])",
}


def _timestamp(value: dict[str, str]) -> str:
    return json_string(value["S"]) if "S" in value else epoch_text(value["N"])


def _text_array(value: dict[str, list[str]] | None) -> str:
    if value is None:
        return "null"
    elements = [element.replace("\\", "\\\\").replace('"', '\\"') for element in sorted(value["SS"])]
    return json_string('{"' + '","'.join(elements) + '"}')


def _plain(value: dict[str, Any]) -> str:
    if "S" in value:
        return json_string(value["S"])
    if "N" in value:
        return str(value["N"])
    if "M" in value:
        return "{" + ",".join([f"{json_string(name)}:{_plain(inner)}" for name, inner in value["M"].items()]) + "}"
    return "[" + ",".join([_plain(inner) for inner in value["L"]]) + "]"


def _bytea(text: str) -> str:
    return f'"\\\\x{a2b_base64(text).hex()}"'


def _cell(column: Column) -> str:
    value = "item" + "['M']".join(f"[{name!r}]" for name in column.path)
    return _CELLS[column.type].format(value=value, name=column.attribute)


def _compile() -> Callable[[Any], str]:
    cells = ",".join(f"{{{_cell(column)}}}" for column in CASES.columns)
    names = {"json_string": json_string, "plain": _plain, "BOOLEANS": {True: "true", False: "false"}}
    names |= {"timestamp": _timestamp, "text_array": _text_array, "bytea": _bytea}
    unchecked: Callable[[Any], str] = eval(  # noqa: S307 - written above, from the declaration alone
        f"lambda item: f'''[{cells},null]\\n'''", names
    )
    return unchecked


_checked = RowMaker(CASES).line
_unchecked = _compile()


def row(item: dict[str, Any]) -> str:
    """Return the staged line of an item in DynamoDB JSON."""
    try:
        return _unchecked(item)
    except KeyError:
        return _checked(item)


def _line(_: RowMaker, item: dict[str, Any]) -> str:
    return row(item)


def _make(_: RowMaker, item: dict[str, Any]) -> Row:
    return Row(row(item), sanitized=False)


def convert_unchecked() -> None:
    """Make the transform of this process convert items without checks."""
    RowMaker.line, RowMaker.make = _line, _make  # type: ignore[method-assign,assignment]
