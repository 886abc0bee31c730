"""Compares expected rows with the warehouse's rows, in portions that fit into a call."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from demand.warehouse import Warehouse
from demand_pipeline.contracts.operating.compare import ColumnDifference, CompareAnswer, RowDifference
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.dynamodb.typed_json import Item
from demand_pipeline.tables import Table

_ROWS, _BYTES = 500, 1_000_000  # per portion; Lambda accepts 6 MB

type Cells = tuple[str | None, ...]


@dataclass(frozen=True)
class ExpectedRow:
    """A row that the run must have written; `key` is the item's key, as plain JSON."""

    key: str
    cells: Cells


@dataclass(frozen=True)
class Difference:
    """A row that differs from the item that its run read: it is `missing`, or these columns differ."""

    table: str
    key: str
    missing: bool
    columns: tuple[ColumnDifference, ...]


def cells_of(line: str) -> Cells:
    """Return a staged row's values as texts; numbers keep all digits."""
    row = json.loads(line, parse_int=str, parse_float=str)
    return tuple(("true" if cell else "false") if isinstance(cell, bool) else cell for cell in row)


def key_of(table: Table, item: Item) -> str:
    """Return an item's key as plain JSON, to identify it for people."""
    from demand_pipeline.transform.jsonb import item_to_json  # noqa: PLC0415 - slow, which --help does not need

    return item_to_json({column.attribute: item[column.attribute] for column in table.key})


def differences(warehouse: Warehouse, table: Table, rows: Iterable[ExpectedRow]) -> Iterator[Difference]:
    """Yield the rows that differ, portion by portion."""
    for portion in _portions(rows):
        for found in _compare(warehouse, table, portion):
            yield Difference(table.name, portion[found.index].key, found.missing, found.columns)


def _compare(warehouse: Warehouse, table: Table, rows: list[ExpectedRow]) -> Iterator[RowDifference]:
    """Ask until all rows are compared: an answer may cover only the first ones."""
    start = 0
    while start < len(rows):
        answer = warehouse.ask(
            CompareAnswer,
            ActionName.COMPARE,
            table=table.name,
            fingerprint=table.fingerprint,
            rows=[row.cells for row in rows[start:]],
        )
        for found in answer.differences:
            yield RowDifference(start + found.index, found.missing, found.columns)
        start += answer.compared


def _portions(rows: Iterable[ExpectedRow]) -> Iterator[list[ExpectedRow]]:
    portion: list[ExpectedRow] = []
    size = 0
    for row in rows:
        bytes_ = sum(len(cell) for cell in row.cells if cell is not None)
        if portion and (len(portion) >= _ROWS or size + bytes_ > _BYTES):
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += bytes_
    if portion:
        yield portion
