"""The actions `rollback` and `diff`: the rows before the last run, brought back or compared with."""

from dataclasses import dataclass
from typing import Self

from demand_pipeline.contracts.event import read_table
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.request import read_samples
from demand_pipeline.tables import Table


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """Who wants to roll back, and why; `run` is the run that is meant (None: the last, whichever it is)."""

    run: str | None
    by: str
    reason: str

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(arguments.optional_text("run"), arguments.text("by"), arguments.text("reason"))


@dataclass(frozen=True, slots=True)
class RestoredTable:
    """A table, and the run whose rows it has again; None if no run loaded them."""

    table: str
    run: str | None


@dataclass(frozen=True, slots=True)
class RollbackAnswer:
    """The run that was rolled back, and its tables."""

    run: str
    tables: tuple[RestoredTable, ...]


@dataclass(frozen=True, slots=True)
class DiffRequest:
    """Which table is compared with its previous rows, and how many keys of each kind are shown."""

    table: Table
    samples: int

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(read_table(arguments), read_samples(arguments))


@dataclass(frozen=True, slots=True)
class ChangedColumn:
    """In how many rows a column has changed."""

    column: str
    rows: int


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row that has changed, by its key as JSON, and the columns in which it has."""

    key: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiffAnswer:
    """How many rows were added, removed and changed, in which columns, and a few of them by their keys.

    `previous` says what the rows are compared with.
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
