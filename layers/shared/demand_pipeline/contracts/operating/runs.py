"""The action `runs`: what committed runs did to their tables."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import LoadedTable
from demand_pipeline.errors import InvalidEventError


@dataclass(frozen=True, slots=True)
class RunsRequest:
    """One run, or the last ones that were started `before` a time in ISO 8601, at most so many."""

    run: str | None
    before: str | None
    most: int

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        run, before = arguments.optional_text("run"), arguments.optional_text("before")
        if before is not None and not _is_time(before):
            raise InvalidEventError(arguments.path("before"), before, "a time in ISO 8601")
        return cls(run, before, arguments.integer("most", minimum=1))


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A committed run as the warehouse remembers it; times are ISO 8601 in UTC, `input` is JSON."""

    run: str
    arn: str
    started_at: str
    committed_at: str
    input: str
    tables: tuple[LoadedTable, ...]


@dataclass(frozen=True, slots=True)
class RunsAnswer:
    """Runs, the last one first."""

    runs: tuple[RecordedRun, ...]


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
