"""The action `status`: the last run of each table, and its number of rows."""

from dataclasses import dataclass
from typing import Self

from demand_pipeline.contracts.fields import Fields


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """`count_rows`: count the rows, which takes as long as reading the tables."""

    count_rows: bool

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(arguments.flag("countRows"))


@dataclass(frozen=True, slots=True)
class TableStatus:
    """A table and the committed run that loaded it last; times are ISO 8601 in UTC.

    `rows` is None if the table does not exist or was not counted. Without a run, all other fields are None.
    """

    table: str
    rows: int | None
    run: str | None = None
    arn: str | None = None
    started_at: str | None = None
    committed_at: str | None = None
    age_seconds: float | None = None
    loaded: int | None = None
    rejected: int | None = None


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """All declared tables, in the order of the declarations."""

    tables: tuple[TableStatus, ...]
