"""The action `compare`: which rows of a table differ from the rows that a load would write."""

from dataclasses import dataclass
from typing import Any, Self

from demand_pipeline.contracts.event import read_table
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.errors import InvalidEventError
from demand_pipeline.tables import Table


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """Rows as a load would write them: the texts of all stored columns, in order; None is null."""

    table: Table
    rows: tuple[tuple[str | None, ...], ...]

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`, also if the caller declares other columns."""
        table = read_table(arguments)
        fingerprint = arguments.text("fingerprint")
        if fingerprint != table.fingerprint:
            expected = f"{table.fingerprint}, as of the deployed columns (deploy, or check out the deployed commit)"
            raise InvalidEventError(arguments.path("fingerprint"), fingerprint, expected)
        width = len(table.stored_columns)
        rows = arguments.array("rows")
        for number, row in enumerate(rows):
            if not _is_row(row, width):
                # The values are an item's: they must not get into a log.
                place, found = f"{arguments.path('rows')}[{number}]", type(row).__name__
                raise InvalidEventError(place, found, f"{width} strings or nulls")
        return cls(table, tuple(map(tuple, rows)))


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """A column with an unexpected value; both values as text, truncated."""

    column: str
    expected: str | None
    found: str | None


@dataclass(frozen=True, slots=True)
class RowDifference:
    """The row at `index` of the request, which is missing in the table or differs in these columns."""

    index: int
    missing: bool
    columns: tuple[ColumnDifference, ...]


@dataclass(frozen=True, slots=True)
class CompareAnswer:
    """The rows that differ. `compared` is the number of rows that were compared; ask again for the rest."""

    compared: int
    differences: tuple[RowDifference, ...]


def _is_row(row: Any, width: int) -> bool:
    return isinstance(row, list) and len(row) == width and all(cell is None or isinstance(cell, str) for cell in row)
