"""The action `drift`: what changed at the source of each table."""

from dataclasses import dataclass
from typing import Self

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import AttributeChange


@dataclass(frozen=True, slots=True)
class DriftRequest:
    """Of which committed run; None is each table's last one."""

    run: str | None

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(arguments.optional_text("run"))


@dataclass(frozen=True, slots=True)
class TableDrift:
    """What changed at a table's source in a run; `items` were read, None if drift was not counted.

    `before` is the run that it is compared with, None if there is none.
    """

    table: str
    run: str
    before: str | None
    items: int | None
    changes: tuple[AttributeChange, ...]


@dataclass(frozen=True, slots=True)
class DriftAnswer:
    """Every table that was loaded, in the order of the declarations."""

    tables: tuple[TableDrift, ...]
