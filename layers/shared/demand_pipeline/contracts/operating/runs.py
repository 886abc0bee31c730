"""The action `runs`: the counts of committed runs, and whether the tables still contain their rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import LoadedTable
from demand_pipeline.errors import InvalidEventError

_MOST_RUNS = 1000


@dataclass(frozen=True, slots=True)
class RunsRequest:
    """The named runs or, without names, the `most` last runs that started `before` an ISO 8601 time.

    Runs that were rolled back are returned only by name.
    """

    runs: tuple[str, ...] | None
    before: str | None
    most: int

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        runs = None if arguments.is_null("runs") else tuple(arguments.texts("runs"))
        before = arguments.optional_text("before")
        if before is not None and not _is_time(before):
            raise InvalidEventError(arguments.path("before"), before, "a time in ISO 8601")
        return cls(runs, before, arguments.integer("most", minimum=1, maximum=_MOST_RUNS))


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A committed run as the warehouse recorded it; times are ISO 8601 in UTC, `input` is JSON.

    `status` is the status in `pipeline_runs`. `replaced_by` lists the later runs whose rows are in its tables now;
    `holds` lists the tables that still contain the run's own rows.
    """

    run: str
    arn: str
    started_at: str
    committed_at: str
    input: str
    status: str
    rolled_back_at: str | None
    rolled_back_by: str | None
    rolled_back_reason: str | None
    tables: tuple[LoadedTable, ...]
    holds: tuple[str, ...]
    replaced_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunsAnswer:
    """Runs, the last one first. `complete` is false if not all of them fit into an answer."""

    runs: tuple[RecordedRun, ...]
    complete: bool


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
