"""What operators' commands ask of the warehouse and get back: one request and one answer per action.

Commands read answers with the same classes, so a field that one side lacks is an error there.
"""

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.event import read_event, read_table
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import AttributeChange, Strategy
from demand_pipeline.errors import InvalidEventError
from demand_pipeline.tables import Table

# A row's place: its table's number, a space, and as PostgreSQL writes it a block, and a row in it.
_is_place = re.compile(r"[0-9]{1,10} \([0-9]{1,10},[0-9]{1,5}\)").fullmatch
_MOST_SAMPLES = 100


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


class ActionName(StrEnum):
    """What can be asked; `operate/` has one module per action."""

    CHECK = "check"
    STATUS = "status"
    REJECTS = "rejects"
    REJECTED_ITEMS = "rejected_items"
    COMPARE = "compare"
    DRIFT = "drift"
    RUNS = "runs"
    ROLLBACK = "rollback"
    DIFF = "diff"


@dataclass(frozen=True, slots=True)
class OperateRequest:
    """An action, and its own arguments, which its module reads."""

    action: ActionName
    arguments: Fields

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Parse the event of an operator's command; raises `ContractVersionError`, `InvalidEventError`."""
        fields = read_event(event)
        return cls(ActionName(fields.text("action", among=tuple(ActionName))), fields.object("arguments"))


class State(StrEnum):
    """How a finding of a check is to be taken."""

    OK = "ok"
    WARNING = "warning"  # runs work, but not as they should, or not for ever
    FAILURE = "failure"  # a run would fail
    SKIPPED = "skipped"  # could not be looked at


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `action` is what to do about it, a statement of SQL where one does it."""

    subject: str
    state: State
    message: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """Under which strategy the warehouse must be loadable."""

    strategy: Strategy

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(Strategy(arguments.text("strategy", among=tuple(Strategy))))


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """What was found, in the order in which a load would meet it."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """`count_rows` counts the rows, which takes as long as reading the tables."""

    count_rows: bool

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(arguments.flag("countRows"))


@dataclass(frozen=True, slots=True)
class TableStatus:
    """A table and the committed run that loaded it last; times are ISO 8601 in UTC.

    `rows` is None if the table does not exist or was not counted. Without a run, all else is None.
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
    """Every declared table, in the order of the declarations."""

    tables: tuple[TableStatus, ...]


@dataclass(frozen=True, slots=True)
class RunsRequest:
    """One run, or the last ones that were started `before` a time in ISO 8601, at most so many."""

    run: str | None
    before: str | None
    most: int

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        run, before = (None if arguments.is_null(name) else arguments.text(name) for name in ("run", "before"))
        if before is not None and not _is_time(before):
            raise InvalidEventError(arguments.path("before"), before, "a time in ISO 8601")
        return cls(run, before, arguments.integer("most", minimum=1))


@dataclass(frozen=True, slots=True)
class RecordedTable:
    """What a committed run did to a table."""

    table: str
    segments: int
    chunks: int
    scanned: int
    staged: int
    rejected: int
    sanitized: int
    loaded: int
    inserted: int
    updated: int
    deleted: int
    previous_rows: int
    read_units: float
    bytes: int
    load_seconds: float


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A committed run as the warehouse remembers it; times are ISO 8601 in UTC, `input` is JSON."""

    run: str
    arn: str
    started_at: str
    committed_at: str
    input: str
    tables: tuple[RecordedTable, ...]


@dataclass(frozen=True, slots=True)
class RunsAnswer:
    """Runs, the last one first."""

    runs: tuple[RecordedRun, ...]


@dataclass(frozen=True, slots=True)
class RejectsRequest:
    """Whose rejects: of one run and one table, or of every one that has any. `samples` are shown for each reason."""

    run: str | None
    table: str | None
    samples: int

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        run = None if arguments.is_null("run") else arguments.text("run")
        return cls(run, _optional_table(arguments), arguments.integer("samples"))


@dataclass(frozen=True, slots=True)
class RejectSample:
    """A rejected item's key, as JSON, and the reason in full, which quotes the value."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class RejectReason:
    """Rejects of a table with one reason, but for the value that was found."""

    run: str
    table: str
    reason: str
    items: int
    samples: tuple[RejectSample, ...]


@dataclass(frozen=True, slots=True)
class RejectsAnswer:
    """Reasons by table, the most frequent first. `complete` is false if there are more than an answer can hold."""

    reasons: tuple[RejectReason, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class RejectedItemsRequest:
    """A page of rejects, from the one `after` (an answer's `next`), or from the first."""

    run: str | None
    table: str | None
    after: str | None

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        run = None if arguments.is_null("run") else arguments.text("run")
        after = None if arguments.is_null("after") else arguments.text("after")
        if after is not None and not _is_place(after):
            raise InvalidEventError(arguments.path("after"), after, "the field next of an answer")
        return cls(run, _optional_table(arguments), after)


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """A row of `rejected_items`; `key` and `item` are JSON, as text, so that numbers keep their digits."""

    run: str
    table: str
    key: str
    reason: str
    item: str


@dataclass(frozen=True, slots=True)
class RejectedItemsAnswer:
    """A page; `next` asks for the following one, None after the last."""

    items: tuple[RejectedItem, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class DriftRequest:
    """Of which committed run; None is each table's last one."""

    run: str | None

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(None if arguments.is_null("run") else arguments.text("run"))


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


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """Rows as a load would write them: the texts of all stored columns, in order; None is null."""

    table: Table
    rows: tuple[tuple[str | None, ...], ...]

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`, also if the asker has other columns."""
        table = read_table(arguments)
        fingerprint = arguments.text("fingerprint")
        if fingerprint != table.fingerprint:
            expected = f"{table.fingerprint}, that of the columns deployed now (deploy, or check out that commit)"
            raise InvalidEventError(arguments.path("fingerprint"), fingerprint, expected)
        width = len(table.stored_columns)
        rows = arguments.array("rows")
        for number, row in enumerate(rows):
            if not _is_row(row, width):
                # Its values are an item's: they must not get into a log.
                place, found = f"{arguments.path('rows')}[{number}]", type(row).__name__
                raise InvalidEventError(place, found, f"{width} strings or nulls")
        return cls(table, tuple(map(tuple, rows)))


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """A column whose value is not the expected one: both as text, cut."""

    column: str
    expected: str | None
    found: str | None


@dataclass(frozen=True, slots=True)
class RowDifference:
    """The row at `index` of the request: it is missing, or these columns differ."""

    index: int
    missing: bool
    columns: tuple[ColumnDifference, ...]


@dataclass(frozen=True, slots=True)
class CompareAnswer:
    """The rows that differ. `compared` is how many rows were looked at: the rest is to be asked for again."""

    compared: int
    differences: tuple[RowDifference, ...]


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """Who wants to roll back, and why; `run` is the run that is meant (None: the last, whichever it is)."""

    run: str | None
    by: str
    reason: str

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        run = None if arguments.is_null("run") else arguments.text("run")
        return cls(run, arguments.text("by"), arguments.text("reason"))


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
        samples = arguments.integer("samples")
        if samples > _MOST_SAMPLES:
            raise InvalidEventError(arguments.path("samples"), samples, f"at most {_MOST_SAMPLES}")
        return cls(read_table(arguments), samples)


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


def to_json(answer: Any) -> dict[str, Any]:
    """An answer as JSON; a command makes the same object of it again (`from_json`)."""
    return asdict(answer)


def _optional_table(arguments: Fields) -> str | None:
    return None if arguments.is_null("table") else arguments.text("table", among=tuple(TABLES))


def _is_row(row: Any, width: int) -> bool:
    return isinstance(row, list) and len(row) == width and all(cell is None or isinstance(cell, str) for cell in row)
