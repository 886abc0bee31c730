"""Sample data: seeded invoices with what belongs to them, drawn from the table declarations.

A column added to a declaration appears here by itself. On top come relations between the tables,
attributes that no column reads, a string with U+0000, and a few items that must be rejected.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from demand_pipeline.builders import AUDIT, CASES, METADATA, TEMPLATES
from demand_pipeline.tables import Column, ColumnType, Table
from local.sample_values import Value, draw, spoil

type Item = dict[str, Value]

_MISSING = 0.08  # share of the attributes
_NULL = 0.03
_EMPTY = 0.01  # of the texts
_EXTRA = 0.05  # share of the items
_REJECT_EVERY = 250  # items: 0.4 %, well below the 1 % that would fail the run
_DOCUMENTS_OF_A_CASE = 3
_DOCUMENTS_OF_A_TEMPLATE = 20


@dataclass
class Sample:
    """Draws items; counts per warehouse table what a run must find: `items`, `rejected`, `sanitized`."""

    documents: int
    seed: int = 2026
    items: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    sanitized: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[tuple[Table, Item]]:
        """Yield every item with its table; the same items for the same seed and number of documents."""
        random = Random(self.seed)
        for counter in (self.items, self.rejected, self.sanitized):
            counter.clear()
        for number in range(1, self.documents + 1):
            document = self._item(CASES, random, [number], _numbered_shared(number))
            if number == 1:
                self._put_nul(CASES, document)
            yield CASES, document
            fields = _choices(METADATA.key[1])
            for name in random.sample(fields, random.randint(1, len(fields))):
                yield METADATA, self._item(METADATA, random, [number, name], document)
            for _ in range(random.randint(1, 2)):
                yield AUDIT, self._item(AUDIT, random, [self.items[AUDIT.name] + 1], document)
            if number % _DOCUMENTS_OF_A_TEMPLATE == 1:
                for version in range(1, random.randint(1, 3) + 1):
                    yield TEMPLATES, self._item(TEMPLATES, random, [number, version], {})

    def expected(self) -> dict[str, dict[str, int]]:
        """Return what a run of these items must count, by warehouse table."""
        return {
            name: {"items": items, "rejected": self.rejected[name], "sanitized": self.sanitized[name]}
            for name, items in self.items.items()
        }

    def _item(self, table: Table, random: Random, key: Sequence[object], related: Item) -> Item:
        """Draw one item with the given key; attributes that `related` has under the same name are the same."""
        self.items[table.name] += 1
        item: Item = {}
        for column in table.columns:
            if column.key:
                put(item, column, _key_value(column, key[table.key.index(column)]))
            elif column.type is ColumnType.TEXT and column.source in related:
                put(item, column, related[column.source])
            elif (value := _perhaps(column, random)) is not None:
                put(item, column, value)
        if random.random() < _EXTRA:
            _put_extra(table, item, random)
        count = self.items[table.name]
        if count % _REJECT_EVERY == _REJECT_EVERY // 2:
            self._spoil(table, item, count // _REJECT_EVERY)
        return item

    def _spoil(self, table: Table, item: Item, turn: int) -> None:
        """Give a column a value that it rejects: each type of column has its turn."""
        by_type = {column.type: column for column in table.columns if not column.key and spoil(column) is not None}
        column = list(by_type.values())[turn % len(by_type)]
        value = spoil(column)
        if value is not None:
            put(item, column, value)
            self.rejected[table.name] += 1

    def _put_nul(self, table: Table, item: Item) -> None:
        """Put U+0000, which PostgreSQL cannot store, into a text."""
        column = [column for column in table.columns if column.type is ColumnType.TEXT and not column.key][-1]
        put(item, column, {"S": "before\0after"})
        self.sanitized[table.name] += 1


def _key_value(column: Column, given: object) -> Value:
    """Return the key's value: a number in place of the example's last digits, or the value as given."""
    if column.type is not ColumnType.TEXT:
        return {"N": str(given)}
    if isinstance(given, str):
        return {"S": given}
    start, digits = _split_number(column.examples[0])
    return {"S": f"{start}{given:0{len(digits)}}"}


def _numbered_shared(number: int) -> Item:
    """Return the attributes by which documents belong together: a few of them share a case."""
    shared = {column.source for column in AUDIT.columns if column.type is ColumnType.TEXT and not column.key}
    case = next((column for column in CASES.columns if column.source in shared and not column.key), None)
    return {} if case is None else {case.source: _key_value(case, number // _DOCUMENTS_OF_A_CASE + 1)}


def _split_number(example: str) -> tuple[str, str]:
    match = re.search(r"\d+$", example)
    return (example, "") if match is None else (example[: match.start()], match[0])


def _choices(column: Column) -> list[str]:
    return list(column.examples)


def _perhaps(column: Column, random: Random) -> Value | None:
    """Draw a value, or NULL, or nothing at all."""
    chance = random.random()
    if chance < _MISSING:
        return None
    if chance < _MISSING + _NULL:
        return {"NULL": True}
    if chance < _MISSING + _NULL + _EMPTY and column.type is ColumnType.TEXT:
        return {"S": ""}
    return draw(column, random)


def put(item: Item, column: Column, value: Value) -> None:
    """Put a value where the column looks for it, making the maps on the way."""
    *way, last = column.path
    members: dict[str, Any] = item
    for name in way:
        members = members.setdefault(name, {"M": {}})["M"]
    members[last] = value


def _put_extra(table: Table, item: Item, random: Random) -> None:
    """Add what no column reads: an attribute of the item's own, or a member of a map that is partly read."""
    item["collectorVersion"] = {"S": random.choice(["3.1.4", "3.2.0-rc1"])}
    maps = sorted({column.path[0] for column in table.columns if len(column.path) > 1 and column.path[0] in item})
    if maps:
        item[random.choice(maps)]["M"]["note"] = {"S": "größer ✔"}
