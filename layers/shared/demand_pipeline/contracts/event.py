"""Common parts of all events: version, run and table, and the conversion of a result to JSON."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.errors import ContractVersionError, InvalidEventError
from demand_pipeline.tables import Table

CONTRACT = 2
"""The version of the events. Raise it here and in the state machine with every incompatible change."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of the state machine; `id` is its name, and a redrive does not change `started_at`."""

    id: str
    arn: str
    started_at: datetime

    @classmethod
    def read(cls, event: Fields) -> Self:
        """Read the event's `run`: `id`, `arn` and `startedAt` (ISO 8601 with offset)."""
        fields = event.object("run")
        run_id = fields.text("id")
        if "/" in run_id:
            raise InvalidEventError(fields.path("id"), run_id, "an execution name, which has no slash")
        text = fields.text("startedAt")
        try:
            started_at = datetime.fromisoformat(text)
        except ValueError:
            started_at = None
        if started_at is None or started_at.tzinfo is None:
            raise InvalidEventError(fields.path("startedAt"), text, "an ISO 8601 timestamp with an offset")
        return cls(id=run_id, arn=fields.text("arn"), started_at=started_at.astimezone(UTC))


def read_event(event: Any) -> Fields:
    """Check an event's version and return its fields, whose meaning depends on the version.

    Raises `ContractVersionError`, `InvalidEventError`.
    """
    fields = Fields(event)
    version = event.get("contract")
    if isinstance(version, bool) or version != CONTRACT:
        raise ContractVersionError(version, CONTRACT)
    return fields


def read_table(fields: Fields) -> Table:
    """Return the declaration of the event's `table`."""
    return TABLES[fields.text("table", among=tuple(TABLES))]


def to_camel_case(result: Any) -> dict[str, Any]:
    """Return a result's fields in the state machine's spelling: `read_units` becomes `readUnits`."""
    return {_camel_case(name): value for name, value in asdict(result).items()}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
