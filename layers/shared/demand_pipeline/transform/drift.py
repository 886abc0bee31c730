"""Drift: counts the attributes of a chunk's items that the declaration does not expect, by path and DynamoDB type.

These are attributes that no column reads, and attributes of an unexpected type for their column. Both leave the
fast path anyway, so usual items cost nothing. Columns without a value in any item are counted too. Values are not kept.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from demand_pipeline.dynamodb.typed_json import Item
from demand_pipeline.tables import ItemPath, Table
from demand_pipeline.transform.column_tree import ColumnTree, column_tree, leaf_columns, reader, unread
from demand_pipeline.transform.column_types import RULES
from demand_pipeline.transform.jsonb import sanitize

MAX_ATTRIBUTES = 200
"""The number of attributes counted separately per chunk; names may be data, like map keys. The rest is one count."""

ALL, OTHERS = "", "*"
"""Special paths: the item itself, and all attributes beyond MAX_ATTRIBUTES or with too long a name."""

NONE = "none"
"""Instead of a type: no item has a value for the column; the count is the number of items."""

_MAX_PATH = 300
_MAX_SHAPES = 1000
_MAX_SHAPE_BYTES = 1 << 20  # of names, which may be unique to an item; names that are not ASCII take more
_NAME_BYTES = 64  # overhead of a name, besides its characters
_is_plain = re.compile(r"\w+").fullmatch


class AttributeCount(NamedTuple):
    """The number of items with an attribute (`path`) of a DynamoDB type."""

    path: str
    type: str
    items: int


class DriftCounter:
    """The counts of one chunk."""

    def __init__(self, table: Table) -> None:
        self._column_tree = column_tree(table)
        leaves = {i: path for path, i in leaf_columns(table).items()}
        self._columns = {
            i: (path, reader(table.columns[i]), RULES[table.columns[i].type].usual) for i, path in leaves.items()
        }
        self._partly_read = {name for name, inner in self._column_tree.items() if inner}
        # Keys: names of attributes, then their types. Values: the number of items with exactly these.
        self._shapes: dict[tuple[str, ...], int] = {}
        self._shape_bytes = 0
        self._counts: dict[tuple[ItemPath, str], int] = {}
        self._others = 0
        self.absent = set(self._columns)
        """Numbers of the columns without a value so far: `look` at each item while there are any."""

    def look(self, item: Item) -> None:
        """Remove the columns from `absent` for which the item has a value."""
        for i in tuple(self.absent):
            value = self._columns[i][1](item)
            if value is not None and "NULL" not in value:
                self.absent.discard(i)

    def count(self, item: Item) -> None:
        """Count the unread attributes and unusual types of an item."""
        self.count_unread(unread(item, self._column_tree))
        self.count_types(item, self._columns)

    def count_unread(self, rest: Item) -> None:
        """Count the attributes of an item that no column reads, which `unread` returns."""
        if not self._partly_read.isdisjoint(rest):
            self._add_members(rest, self._column_tree)
            return
        # Items of a table are similar: one count for all of an item's attributes takes a third of the time.
        shape = (*rest, *map(next, map(iter, rest.values())))
        try:
            self._shapes[shape] += 1
        except KeyError:
            size = len("".join(rest)) + _NAME_BYTES * len(rest)
            if len(self._shapes) >= _MAX_SHAPES or self._shape_bytes + size > _MAX_SHAPE_BYTES:
                self._add_shapes()
            self._shapes[shape] = 1
            self._shape_bytes += size

    def count_types(self, item: Item, columns: Iterable[int]) -> None:
        """Count the columns whose value has an unusual type."""
        for i in columns:
            path, read, usual = self._columns[i]
            for kind in read(item) or ():
                if usual and kind not in usual and kind != "NULL":
                    self._add(path, kind)

    def result(self, items: int) -> Iterator[AttributeCount]:
        """Yield the counts of a chunk with `items` items, the count of the items first."""
        self._add_shapes()
        yield AttributeCount(ALL, "M", items)
        for (path, kind), count in self._counts.items():
            yield AttributeCount(path_text(path), kind, count)
        if self._others:
            yield AttributeCount(OTHERS, "", self._others)
        for i in sorted(self.absent):
            yield AttributeCount(path_text(self._columns[i][0]), NONE, items)

    def _add_members(self, rest: Item, tree: ColumnTree, path: ItemPath = ()) -> None:
        for name, value in rest.items():
            inner = tree.get(name)
            if inner and "M" in value:
                self._add_members(value["M"], inner, (*path, name))
            else:
                for kind in value:
                    self._add((*path, name), kind)

    def _add_shapes(self) -> None:
        for shape, items in self._shapes.items():
            names = len(shape) // 2
            for name, kind in zip(shape[:names], shape[names:], strict=True):
                self._add((name,), kind, items)
        self._shapes.clear()
        self._shape_bytes = 0

    def _add(self, path: ItemPath, kind: str, items: int = 1) -> None:
        key = (path, kind)
        if key in self._counts:
            self._counts[key] += items
        elif len(self._counts) < MAX_ATTRIBUTES and _is_short(path):
            self._counts[key] = items
        else:
            self._others += items


def _is_short(path: ItemPath) -> bool:
    # The text of a path is at least as long as its names, and slower to build.
    return len("".join(map(str, path))) <= _MAX_PATH and len(path_text(path)) <= _MAX_PATH


def path_text(path: ItemPath) -> str:
    """Return a path as text: names separated by dots, and in quotes if they contain other than word characters.

    Characters that PostgreSQL cannot store are replaced; unprintable ones are escaped.
    """
    return ".".join(name if _is_plain(name) else _quoted(name) for name in (str(sanitize(step)) for step in path))


def _quoted(name: str) -> str:
    text = json.dumps(name, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(name)  # it could control a terminal
