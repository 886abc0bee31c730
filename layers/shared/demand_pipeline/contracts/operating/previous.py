"""The actions `rollback` and `diff`, which restore the rows before the last run or compare with them."""

from dataclasses import dataclass
from typing import Self

from demand_pipeline.contracts.event import read_table
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.request import read_samples
from demand_pipeline.tables import Table


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """The author and the reason of a rollback; `run` is the expected last run (None: any)."""

    run: str | None
    by: str
    reason: str

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(arguments.optional_text("run"), arguments.text("by"), arguments.text("reason"))


@dataclass(frozen=True, slots=True)
class RestoredTable:
    """A table, and the run whose rows were restored; None if no run loaded them."""

    table: str
    run: str | None


@dataclass(frozen=True, slots=True)
class RollbackAnswer:
    """The run that was rolled back, and the restored tables."""

    run: str
    tables: tuple[RestoredTable, ...]


@dataclass(frozen=True, slots=True)
class DiffRequest:
    """The table to compare with its previous rows, and the number of keys to show of each kind of difference."""

    table: Table
    samples: int

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(read_table(arguments), read_samples(arguments))


@dataclass(frozen=True, slots=True)
class ChangedColumn:
    """A column, and the number of rows in which it changed."""

    column: str
    rows: int


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """The key of a changed row, as JSON, and the columns that changed."""

    key: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiffAnswer:
    """Numbers of added, removed and changed rows, the changed columns, and the keys of a few rows of each kind.

    `previous` names the rows that the table is compared with.
    """

    table: str
    previous: str
    added: int
    removed: int
    changed: int
    columns: tuple[ChangedColumn, ...]
    added_keys: tuple[str, ...]
    removed_keys: tuple[str, ...]
    changed_rows: tuple[ChangedRow, ...]
