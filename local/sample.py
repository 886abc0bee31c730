"""Generates sample data for any tables from their declarations alone.

A value depends on the seed, its table, its column and its item's number, so a new column changes no other value. The
sample also contains relations between the tables, attributes that no column reads, a string with U+0000, and a few
items that must be rejected.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Column, ColumnType, Table
from local.sample_relations import Relations, key_number
from local.sample_values import SPOILT, ExampleError, Value, draw, identifies, numbered

type Item = dict[str, Value]
type Drawer = Callable[[int], Value | None]  # the attribute of the item with this number; None if it is missing

_MISSING = 0.08  # share of the attributes
_NULL = 0.03
_EMPTY = 0.01  # of the texts
_EXTRA = 0.05  # share of the items
_REJECT_EVERY = 250  # items: 0.4 %, well below the 1 % that would fail the run
_UNREAD = "collectorVersion"
_TAKE_ALMOST_ANYTHING = (ColumnType.TEXT, ColumnType.JSONB)


@dataclass
class Sample:
    """Generates `size` items of the first table, and related items of the others.

    `items`, `rejected` and `sanitized` are the counts, by warehouse table, that a run must report.
    """

    size: int
    seed: int = 2026
    tables: Sequence[Table] = tuple(TABLES.values())
    items: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    sanitized: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[tuple[Table, Item]]:
        """Yield every item with its table, table by table; the same items for the same seed and size."""
        for counter in (self.items, self.rejected, self.sanitized):
            counter.clear()
        relations = Relations(self.tables, self.size)
        for table in self.tables:
            drawers = {column: self._drawer(relations, table, column) for column in _drawn_columns(table)}
            for number in range(1, relations.items(table) + 1):
                self.items[table.name] += 1
                yield table, self._item(table, drawers, number)

    def expected(self) -> dict[str, dict[str, int]]:
        """Return the counts that a run of these items must report, by warehouse table."""
        return {
            name: {"items": items, "rejected": self.rejected[name], "sanitized": self.sanitized[name]}
            for name, items in self.items.items()
        }

    def _drawer(self, relations: Relations, table: Table, column: Column, *, repeat: bool = True) -> Drawer:
        """Return a function that generates an attribute: as a key, from another table or item, or independently."""
        if repeat and (found := relations.repeated(table, column)):
            reference, owner, theirs = found
            refers_to = self._key_number(relations, table, reference)
            drawer = self._drawer(relations, owner, theirs, repeat=False)
            return lambda number: drawer(refers_to(number))
        owner_of_key = relations.owner(table, column)
        if column.key or owner_of_key:
            number_of = self._key_number(relations, table, column)
            named = owner_of_key.key[0] if owner_of_key else column
            return lambda number: numbered(named, number_of(number))
        return lambda number: _perhaps(table, column, self._random(table, column.name, number))

    def _key_number(self, relations: Relations, table: Table, column: Column) -> Callable[[int], int]:
        """Return a function that maps an item's number to the number of the key in a column: its own or a reference."""
        owner = relations.owner(table, column)
        if column.key or owner is None:
            return lambda number: key_number(table, column, number)
        partitions = relations.partitions(owner)
        return lambda number: self._random(table, column.name, number).randint(1, partitions)

    def _item(self, table: Table, drawers: Mapping[Column, Drawer], number: int) -> Item:
        item: Item = {}
        for column, drawer in drawers.items():
            if (value := drawer(number)) is not None:
                put(item, column, value)
        random = self._random(table, "", number)
        if random.random() < _EXTRA:
            _put_extra(table, item, random)
        if number == 1 and table is self.tables[0]:
            self._put_nul(table, drawers, item)
        if number % _REJECT_EVERY == _REJECT_EVERY // 2:
            self._spoil(table, drawers, item, number // _REJECT_EVERY)
        return item

    def _spoil(self, table: Table, drawn: Iterable[Column], item: Item, turn: int) -> None:
        """Put an invalid value into a column: each type in turn, in its first column."""
        columns = {column.type: column for column in reversed(list(drawn)) if not column.key}
        types = list(SPOILT)
        for kind in types[turn % len(types) :] + types[: turn % len(types)]:
            if kind in columns:
                put(item, columns[kind], SPOILT[kind])
                self.rejected[table.name] += 1
                return

    def _put_nul(self, table: Table, drawn: Iterable[Column], item: Item) -> None:
        """Put U+0000, which PostgreSQL cannot store, into a text, preferably not into an identifier."""
        texts = [column for column in drawn if column.type is ColumnType.TEXT and not column.key]
        for column in sorted(texts, key=identifies)[:1]:
            put(item, column, {"S": "before\0after"})
            self.sanitized[table.name] += 1

    def _random(self, table: Table, column: str, number: int) -> Random:
        return Random(f"{self.seed}/{table.name}/{column}/{number}")


def put(item: Item, column: Column, value: Value) -> None:
    """Put a value at the column's path, and create the maps and lists on it."""
    place: Value = {"M": item}
    for step in column.path:
        place = _place(place, step)
    place.clear()
    place.update(value)


def _place(container: Value, step: str | int) -> Value:
    """Return the value at a name in a map or an index in a list; create it, and missing elements before it."""
    kind = "L" if isinstance(step, int) else "M"
    if kind not in container:
        container.clear()
    if isinstance(step, int):
        elements: list[Value] = container.setdefault("L", [])
        elements.extend({"NULL": True} for _ in range(len(elements), step + 1))
        return elements[step]
    members: dict[str, Value] = container.setdefault("M", {})
    return members.setdefault(step, {})


def _drawn_columns(table: Table) -> list[Column]:
    """Return the columns to generate: only one of several columns that read the same value or a part of it."""
    by_path: dict[tuple[Any, ...], Column] = {}
    for column in sorted(table.columns, key=lambda column: (not column.key, column.type in _TAKE_ALMOST_ANYTHING)):
        by_path.setdefault(column.path, column)
    inner = {path[:length] for path in by_path for length in range(1, len(path))}
    return [column for column in table.columns if by_path[column.path] is column and column.path not in inner]


def _perhaps(table: Table, column: Column, random: Random) -> Value | None:
    """Draw a value, NULL or nothing. Raises ExampleError, which also names the table."""
    chance = random.random()
    if chance < _MISSING:
        return None
    if chance < _MISSING + _NULL:
        return {"NULL": True}
    if chance < _MISSING + _NULL + _EMPTY and column.type is ColumnType.TEXT:
        return {"S": ""}
    try:
        return draw(column, random)
    except ExampleError as error:
        raise ExampleError(f"{table.name}.{error}") from error


def _put_extra(table: Table, item: Item, random: Random) -> None:
    """Add attributes that no column reads: a top-level attribute, and a member of a map that is partly read."""
    read = {column.path[:2] for column in table.columns}
    if _UNREAD not in {path[0] for path in read}:
        item[_UNREAD] = {"S": random.choice(["3.1.4", "3.2.0-rc1"])}
    for name in [column.attribute for column in table.columns if len(column.path) > 1]:
        if "M" in item.get(name, {}) and (name, _UNREAD) not in read:
            item[name]["M"][_UNREAD] = {"S": "größer ✔"}
            return
