"""The action `drift`: the changes at the source of each table."""

from dataclasses import dataclass
from typing import Self

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import AttributeChange


@dataclass(frozen=True, slots=True)
class DriftRequest:
    """The committed run to report on; None for each table's last run."""

    run: str | None

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(arguments.optional_text("run"))


@dataclass(frozen=True, slots=True)
class TableDrift:
    """The changes at a table's source in a run; `items` is the number of items read, None if drift was not counted.

    `before` is the run to compare with, None if no earlier run counted drift.
    """

    table: str
    run: str
    before: str | None
    items: int | None
    changes: tuple[AttributeChange, ...]


@dataclass(frozen=True, slots=True)
class DriftAnswer:
    """All loaded tables, in the order of the declarations."""

    tables: tuple[TableDrift, ...]
