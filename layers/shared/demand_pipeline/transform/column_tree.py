"""The attributes that a table's columns read, as a tree, and the rest of an item that they do not read."""

from collections.abc import Callable, Iterator
from itertools import zip_longest

from demand_pipeline.dynamodb.typed_json import AttributeValue, Item
from demand_pipeline.tables import Column, ItemPath, Table

type ColumnTree = dict[str, "ColumnTree | None"]
"""The attributes that columns read: None if a column reads the whole value, empty if columns read list elements."""


def column_tree(table: Table) -> ColumnTree:
    """Return the tree of the attributes that the columns read; a column that reads a whole value covers its members.

    The tree ends at a list's index: a list whose elements are read stays whole.
    """
    root: ColumnTree = {}
    for column in sorted(table.columns, key=lambda column: len(column.path)):
        node = root
        for name, inner in zip_longest(column.path, column.path[1:]):
            if isinstance(name, int):
                break
            below = node.setdefault(name, None if inner is None else {})
            if below is None:
                break
            node = below
    return root


def unread(item: Item, tree: ColumnTree) -> Item:
    """Return the rest that no column reads: whole attributes, lists with elements read, and the rest of read maps."""
    rest: Item = {}
    for name, value in item.items():
        if name not in tree:
            rest[name] = value
        elif (inner := tree[name]) is None:
            continue
        elif "M" in value and inner:
            if rest_of_map := unread(value["M"], inner):
                rest[name] = {"M": rest_of_map}
        elif "NULL" not in value:
            rest[name] = value
    return rest


def leaf_columns(table: Table) -> dict[ItemPath, int]:
    """Return the number of the first column of each attribute that is read whole."""
    first = {column.path: i for i, column in reversed(tuple(enumerate(table.columns)))}
    return {path: first[path] for path, inner in _nodes(column_tree(table)) if inner is None}


def map_paths(table: Table) -> set[ItemPath]:
    """Return the attributes that the columns expect to be maps."""
    return {path for path, inner in _nodes(column_tree(table)) if inner}


def _nodes(tree: ColumnTree, path: ItemPath = ()) -> Iterator[tuple[ItemPath, ColumnTree | None]]:
    for name, inner in tree.items():
        yield (*path, name), inner
        yield from _nodes(inner or {}, (*path, name))


def reader(column: Column) -> Callable[[Item], AttributeValue | None]:
    """Return a function that looks up a column's value: None if it is missing, or if its path leads nowhere."""
    first, path = column.attribute, column.path[1:]
    if not path:
        return lambda item: item.get(first)

    def read(item: Item) -> AttributeValue | None:
        value = item.get(first)
        for step in path:
            if value is None:
                return None
            if isinstance(step, str):
                value = value["M"].get(step) if "M" in value else None
            else:
                value = value["L"][step] if "L" in value and step < len(value["L"]) else None
        return value

    return read
