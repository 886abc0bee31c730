"""Staged lines by code that is written from a table's declaration, for what items nearly always look like.

The code expects the usual DynamoDB type for each column, a map wherever a path goes through one, and
no attribute that no column reads. A value of another type, and any in a list, it leaves to the column's cell,
attributes that are left over to `unread`; whatever else it meets raises one of `UNUSUAL`, and `conversion.rows`
makes the line without it.
"""

import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from demand_pipeline.dynamodb.typed_json import AttributeValue, Item
from demand_pipeline.tables import MAX_BYTES_A_CHARACTER, MAX_KEY_BYTES, ColumnType, Table
from demand_pipeline.transform.column_types import (
    date_text,
    epoch_text,
    numeric_array,
    text_array,
    timestamp_text,
)
from demand_pipeline.transform.jsonb import quote, to_json
from demand_pipeline.transform.numbers import as_bigint, is_plain_number

UNUSUAL = (AttributeError, LookupError, TypeError, ValueError)

type Cell = Callable[[Item], str]
"""Makes a part of an item's staged line."""

type ColumnTree = dict[str, "ColumnTree | None"]
"""The attributes that columns read, as a tree: None where one reads the whole value, empty for elements of a list."""

# A table has few different dates and small numbers, and they come again and again.
_REMEMBERED = 4096


def _text_set(elements: list[str]) -> str:
    plain = "".join(elements)
    if len(quote(plain)) != len(plain) + len('""'):  # something in it is to be escaped
        return text_array("SS", elements)
    return '"{\\"' + '\\",\\"'.join(sorted(elements)) + '\\"}"'


def _numeric_list(elements: list[AttributeValue]) -> str:
    numbers = [element["N"] for element in elements if "N" in element]
    if len(numbers) != len(elements) or not all(map(is_plain_number, numbers)):
        return numeric_array("L", elements)
    return '"{' + ",".join(numbers) + '}"'


def _bytea(text: str) -> str:
    return f'"\\\\x{binascii.a2b_base64(text, strict_mode=True).hex()}"'


# By column type: how to tell the usual values, and what is staged for them.
_USUAL = {
    ColumnType.TEXT: [("'S' in value", "quote(value['S'])")],
    ColumnType.NUMERIC: [("'N' in value and is_plain_number(value['N'])", "value['N']")],
    ColumnType.BIGINT: [("'N' in value", "bigint(value['N'])")],
    ColumnType.BOOLEAN: [("'BOOL' in value", "'true' if value['BOOL'] else 'false'")],
    ColumnType.DATE: [("'S' in value", "date(value['S'])")],
    ColumnType.TIMESTAMPTZ: [("'S' in value", "timestamp(value['S'])"), ("'N' in value", "epoch(value['N'])")],
    ColumnType.TEXT_ARRAY: [("'SS' in value", "text_set(value['SS'])")],
    ColumnType.NUMERIC_ARRAY: [("'L' in value", "numeric_list(value['L'])")],
    ColumnType.JSONB: [("'NULL' not in value", "quote(to_json(value))")],
    ColumnType.BYTEA: [("'B' in value", "bytea(value['B'])")],
}

_NAMES = {
    "quote": quote,
    "to_json": to_json,
    "is_plain_number": is_plain_number,
    "bigint": lru_cache(_REMEMBERED)(as_bigint),
    "date": lru_cache(_REMEMBERED)(date_text),
    "timestamp": timestamp_text,
    "epoch": epoch_text,
    "text_set": _text_set,
    "numeric_list": _numeric_list,
    "bytea": _bytea,
    "EMPTY": {},
}


def compile_fast_path(table: Table, leaves: ColumnTree, cells: Sequence[Cell], unread: Cell) -> Cell:
    """A function that makes an item's staged line, or raises one of `UNUSUAL`.

    `cells` make any column's part of the line, `unread` that of `extra`.
    """
    names: dict[str, Any] = {**_NAMES, "unread": unread}
    names |= {f"cell_{i}": cell for i, cell in enumerate(cells)}
    exec(source(table, leaves), names)  # noqa: S102 - written below, from the declaration alone
    line: Cell = names["line"]
    return line


def source(table: Table, leaves: ColumnTree) -> str:
    """The text of that function: a block a map, with a block an attribute in it."""
    columns = range(len(table.columns))
    key = " + ".join([f"len(part_{i})" for i in columns if table.columns[i].key])
    body = list(_read_map(table, leaves))
    read = {int(i) for line in body for i in re.findall(r"\bpart_(\d+) =", line)}
    lines = [
        "left_over = False",
        "map_0 = item",
        *body,
        # An element of a list; a second column of an attribute, or of a map's member when another reads the whole map.
        *[f"part_{i} = cell_{i}(item)" for i in columns if i not in read],
        f"if {key} > {MAX_KEY_BYTES // MAX_BYTES_A_CHARACTER}: raise LookupError",
        "extra = unread(item) if left_over else 'null'",
        "return f'[" + ",".join([f"{{part_{i}}}" for i in columns]) + ",{extra}]\\n'",
    ]
    return "\n    ".join(["def line(item):", *lines]) + "\n"


def _read_map(table: Table, leaves: ColumnTree, path: tuple[str, ...] = (), number: str = "0") -> Iterator[str]:
    """Look up every member that is read; those and the missing ones make up the map, or something is left over."""
    yield f"get_{number} = map_{number}.get"
    yield f"missing_{number} = 0"
    for position, (name, inner) in enumerate(leaves.items()):
        yield f"value = get_{number}({name!r})"
        if inner is None:
            yield from _read_value(table, (*path, name), f"missing_{number}")
        elif not inner:
            yield f"if value is None: missing_{number} += 1"
            yield "elif 'NULL' not in value: left_over = True"
        else:
            yield f"if value is None: map_{number}_{position} = EMPTY; missing_{number} += 1"
            yield f"else: map_{number}_{position} = value['M']"
            yield from _read_map(table, inner, (*path, name), f"{number}_{position}")
    yield f"if len(map_{number}) + missing_{number} != {len(leaves)}: left_over = True"


def _read_value(table: Table, path: tuple[str, ...], missing: str) -> Iterator[str]:
    i = next(i for i, column in enumerate(table.columns) if column.path == path)
    yield "if value is None:"
    yield "    raise LookupError" if table.columns[i].key else f"    part_{i} = 'null'; {missing} += 1"
    for usual, staged in _USUAL[table.columns[i].type]:
        yield f"elif {usual}: part_{i} = {staged}"
    if not table.columns[i].key:
        yield f"elif 'NULL' in value: part_{i} = 'null'"
    yield f"else: part_{i} = cell_{i}(item)"
