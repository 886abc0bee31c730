"""Converts items to staged rows according to a table's declaration: one line of JSON, or the reason for a reject."""

import json
from typing import NamedTuple

from demand_pipeline.dynamodb.typed_json import AttributeValue, Item
from demand_pipeline.tables import MAX_BYTES_A_CHARACTER, MAX_KEY_BYTES, Column, ColumnType, Table
from demand_pipeline.transform.column_tree import column_tree, reader, unread
from demand_pipeline.transform.column_types import NULL, converter
from demand_pipeline.transform.drift import DriftCounter
from demand_pipeline.transform.fast_path import UNUSUAL, Cell, compile_fast_path
from demand_pipeline.transform.jsonb import json_string, map_to_json, sanitize, to_json
from demand_pipeline.transform.reason import Reason


class RejectError(ValueError):
    """An item does not fit its table; the reason contains column, expected type and found value."""

    def __init__(self, column: str, expected: str, found: str) -> None:
        self.reason = Reason.of(column, expected, found)
        super().__init__(str(self.reason))


class Row(NamedTuple):
    """One staged row: `line` is a JSON array in the order of `Table.stored_columns`, newline included."""

    line: str
    sanitized: bool


class RowMaker:
    """Converts the items of one table; built once, called for each item. `drift` counts unexpected attributes."""

    def __init__(self, table: Table) -> None:
        self.drift = DriftCounter(table)
        self._cells = tuple(_cell(column) for column in table.columns)
        self._key = table.key
        self._key_types = {i: column.type for i, column in enumerate(table.columns) if column.key}
        self._column_tree = column_tree(table)
        self._fast_path = compile_fast_path(table, self._cells, self._counted_extra, self.drift.count_types)

    def make(self, item: Item) -> Row:
        """Convert an item; raises `RejectError` if a column does not accept its value."""
        line = self.line(item)
        # JSON writes U+0000 as \u0000. An escaped backslash before "u0000" matches too, but sanitizing changes nothing.
        if "\\u0000" not in line and _is_utf8(line):
            return Row(line, sanitized=False)
        storable = sanitize(item)
        self._refuse_changed_key(item, storable)
        return Row(self.slow_path(storable), sanitized=storable != item)  # not `line`, which would count drift twice

    def line(self, item: Item) -> str:
        """Convert an item whose characters PostgreSQL can all store; return the row's line."""
        try:
            return self._fast_path(item)
        except UNUSUAL:
            pass
        try:
            line = self.slow_path(item)
        except RejectError:
            self.drift.count(item)
            raise
        self.drift.count(item)
        return line

    def slow_path(self, item: Item) -> str:
        """Build the same line without generated code: the reference for it, and the source of the rejects' reasons."""
        cells = [cell(item) for cell in self._cells]
        self._check_key(cells)
        return "[" + ",".join([*cells, self._extra(item)]) + "]\n"

    def _extra(self, item: Item) -> str:
        rest = unread(item, self._column_tree)
        return json_string(_json("extra", rest)) if rest else NULL

    def _counted_extra(self, item: Item) -> str:
        """Build and count `extra` on the fast path, as its last step: a later failure would count the item twice."""
        rest = unread(item, self._column_tree)
        if not rest:
            return NULL
        staged = json_string(_json("extra", rest))
        self.drift.count_unread(rest)
        return staged

    def _refuse_changed_key(self, item: Item, storable: Item) -> None:
        """Refuse a key with a replaced character, since two source keys could become the same key."""
        for column in self._key:
            if storable[column.attribute] != (found := item[column.attribute]):
                expected = f"{column.type} without U+0000 or half a surrogate pair"
                raise RejectError(column.name, expected, _describe(found))

    def _check_key(self, cells: list[str]) -> None:
        if sum([len(cells[i]) for i in self._key_types]) * MAX_BYTES_A_CHARACTER <= MAX_KEY_BYTES:
            return
        size = sum(_stored_bytes(cells[i], key_type) for i, key_type in self._key_types.items())
        if size > MAX_KEY_BYTES:
            raise RejectError("key", f"at most {MAX_KEY_BYTES} bytes for PostgreSQL's index", str(size))


def _stored_bytes(cell: str, column_type: ColumnType) -> int:
    """Return the size of a staged value in PostgreSQL, without JSON's escapes and quotes and the hex form of bytea."""
    text = str(json.loads(cell))
    if column_type is ColumnType.BYTEA:
        return len(bytes.fromhex(text.removeprefix("\\x")))
    return len(text.encode(errors="replace"))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def _cell(column: Column) -> Cell:
    """Return a function that builds a column's part of a row: it looks up and converts the value."""
    name, kind, is_key, read, convert = column.name, column.type, column.key, reader(column), converter(column.type)

    def cell(item: Item) -> str:
        value = read(item)
        if value is None:
            staged = NULL
        else:
            try:
                staged = convert(value)
            except ValueError as error:
                raise RejectError(name, kind, _describe(value)) from error
        if is_key and staged == NULL:
            raise RejectError(name, kind, "nothing" if value is None else _describe(value))
        return staged

    return cell


def _describe(value: AttributeValue) -> str:
    """Describe a found value for a reason: its DynamoDB type, and its text on one line."""
    [(kind, content)] = value.items()
    return f"{kind} {content!r}" if isinstance(content, str) else f"{kind} {_json_or_repr(value)}"


def _json(name: str, item: Item) -> str:
    try:
        return map_to_json(item)
    except ValueError as error:
        raise RejectError(name, ColumnType.JSONB, str(error)) from error


def _json_or_repr(value: AttributeValue) -> str:
    try:
        return to_json(value)
    except ValueError:
        return repr(value)
