"""Items into staged rows, by a table's declaration: a line of JSON, or a reason why not."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from demand_pipeline.conversion.jsonb import map_to_json, quote, sanitize, to_json
from demand_pipeline.conversion.values import NULL, converter
from demand_pipeline.tables import Column, ColumnType, Table
from demand_pipeline.wire import AttributeValue, Item

# PostgreSQL: an index entry holds at most 2,704 bytes, headers included. DynamoDB's partition
# and sort key may have 2,048 + 1,024 together.
_MAX_KEY_BYTES = 2_600
_MAX_BYTES_A_CHARACTER = 4  # in UTF-8
_MAX_REASON = 200

type _Leaves = dict[str, "_Leaves | None"]
"""The attributes that columns read, as a tree: None where a column reads the whole value."""

type _Cell = Callable[[Item], str]


class RejectError(ValueError):
    """An item that does not fit its table; the message names column, expected type and found value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason[:_MAX_REASON])


@dataclass(frozen=True, slots=True)
class Row:
    """One staged row: `line` is a JSON array in the order of `Table.stored_columns`, newline included."""

    line: bytes
    sanitized: bool


class RowMaker:
    """Makes the rows of one table; built once, called an item."""

    def __init__(self, table: Table) -> None:
        self._cells = tuple(_cell(column) for column in table.columns)
        self._key_cells = tuple(i for i, column in enumerate(table.columns) if column.key)
        self._leaves = _leaves(table)

    def make(self, item: Item) -> Row:
        """Convert an item; raises `RejectError` if a column cannot take its value."""
        line = self._line(item)
        # JSON writes U+0000 as \u0000. A backslash before a plain "u0000" matches too; then nothing changes.
        if "\\u0000" not in line:
            try:
                return Row(line.encode(), sanitized=False)
            except UnicodeEncodeError:  # half a surrogate pair
                pass
        storable = sanitize(item)
        return Row(self._line(storable).encode(), sanitized=storable != item)

    def _line(self, item: Item) -> str:
        cells = [cell(item) for cell in self._cells]
        self._check_key(cells)
        rest = _unread(item, self._leaves)
        cells.append(quote(_json("extra", rest)) if rest else NULL)
        return "[" + ",".join(cells) + "]\n"

    def _check_key(self, cells: list[str]) -> None:
        if sum([len(cells[i]) for i in self._key_cells]) * _MAX_BYTES_A_CHARACTER <= _MAX_KEY_BYTES:
            return
        # As PostgreSQL stores them: JSON's escapes and quotes do not count.
        size = sum(len(str(json.loads(cells[i])).encode(errors="replace")) for i in self._key_cells)
        if size > _MAX_KEY_BYTES:
            raise RejectError(f"key: expected at most {_MAX_KEY_BYTES} bytes for PostgreSQL's index, got {size}")


def _cell(column: Column) -> _Cell:
    """The part of a row that one column is: look the value up, convert it, or say why not."""
    name, kind, is_key, read, convert = column.name, column.type, column.key, _reader(column), converter(column.type)

    def cell(item: Item) -> str:
        value = read(item)
        if value is None:
            staged = NULL
        else:
            try:
                staged = convert(value)
            except ValueError as error:
                raise RejectError(f"{name}: expected {kind}, got {_describe(value)}") from error
        if is_key and staged == NULL:
            raise RejectError(f"{name}: expected {kind}, got {'nothing' if value is None else _describe(value)}")
        return staged

    return cell


def _reader(column: Column) -> Callable[[Item], AttributeValue | None]:
    """Look a column's value up: None if it is missing, or if something else than a map is on the way."""
    first, *path = column.path
    if not path:
        return lambda item: item.get(first)

    def read(item: Item) -> AttributeValue | None:
        value = item.get(first)
        for name in path:
            if value is None or "M" not in value:
                return None
            value = value["M"].get(name)
        return value

    return read


def _leaves(table: Table) -> _Leaves:
    """The tree of everything the columns read; a column that reads a whole map covers those inside it."""
    root: _Leaves = {}
    for column in sorted(table.columns, key=lambda column: len(column.path)):
        node = root
        *path, last = column.path
        for name in path:
            inner = node.setdefault(name, {})
            if inner is None:
                break
            node = inner
        else:
            node.setdefault(last, None)
    return root


def _unread(item: Item, leaves: _Leaves) -> Item:
    """What no column reads: whole attributes, and the rest of maps that were read in part."""
    rest: Item = {}
    for name, value in item.items():
        if name not in leaves:
            rest[name] = value
        elif (inner := leaves[name]) is None:
            continue
        elif "M" in value:
            if unread := _unread(value["M"], inner):
                rest[name] = {"M": unread}
        elif "NULL" not in value:
            rest[name] = value
    return rest


def _describe(value: AttributeValue) -> str:
    """A found value for a reason: its DynamoDB type, and its text on one line."""
    [(kind, content)] = value.items()
    return f"{kind} {content!r}" if isinstance(content, str) else f"{kind} {_json_or_repr(value)}"


def _json(name: str, item: Item) -> str:
    try:
        return map_to_json(item)
    except ValueError as error:
        raise RejectError(f"{name}: expected {ColumnType.JSONB}, got {error}") from error


def _json_or_repr(value: AttributeValue) -> str:
    try:
        return to_json(value)
    except ValueError:
        return repr(value)
