"""What the state machine passes to each function and gets back: a frozen dataclass each."""

import base64
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from demand_pipeline.builders import TABLES
from demand_pipeline.errors import ContractVersionError, InvalidEventError
from demand_pipeline.fields import Fields
from demand_pipeline.tables import Table
from demand_pipeline.wire import Item

CONTRACT = 1
"""The version of what the state machine passes to functions: raise it, there too, with a change that one side lacks."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of the state machine; `id` is its name, `started_at` stays the same when it is redriven."""

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


type Keys = dict[str, Item | None]
"""Where reading goes on: by segment of the source, as `5/8`, the key to go on after; None for its beginning."""


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """One chunk to scan: where to start, and when to stop.

    `start_keys` is what the segment's last chunk left, None for all of it; `chunk_bytes` counts
    uncompressed pages; `read_units_per_second` is this segment's share, 0 for no limit; `max_items` is
    what is left of the run's cap, None for no cap.
    """

    run: Run
    table: Table
    source: str
    segment: int
    total_segments: int
    chunk: int
    start_keys: Keys | None
    chunk_bytes: int
    read_units_per_second: float
    max_items: int | None

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Parse the event of a Scan state; raises `ContractVersionError`, `InvalidEventError`."""
        fields = _fields(event)
        segment, total = fields.integer("segment"), fields.integer("totalSegments", minimum=1)
        if segment >= total:
            raise InvalidEventError("segment", segment, f"a number below totalSegments, {total}")
        return cls(
            run=Run.read(fields),
            table=_table(fields),
            source=fields.text("source"),
            segment=segment,
            total_segments=total,
            chunk=fields.integer("chunk"),
            start_keys=None if fields.is_null("startKeys") else _keys(fields, "startKeys"),
            chunk_bytes=fields.integer("chunkBytes", minimum=1),
            read_units_per_second=fields.number("readUnitsPerSecond"),
            max_items=None if fields.is_null("maxItems") else fields.integer("maxItems", minimum=1),
        )


@dataclass(frozen=True, slots=True)
class ScanResult:
    """A raw chunk in S3 (`key`), and where the segment goes on; `next_keys` is None at its end."""

    key: str
    items: int
    pages: int
    bytes: int
    read_units: float
    next_keys: Keys | None

    def to_event(self) -> dict[str, Any]:
        """As the state machine reads it."""
        return _to_event(self)


@dataclass(frozen=True, slots=True)
class TransformRequest:
    """One raw chunk to convert from `page` on; `items` is what the scan counted from there to its end."""

    run: Run
    table: Table
    segment: int
    chunk: int
    key: str
    page: int
    items: int

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Parse the event of a Transform state; raises `ContractVersionError`, `InvalidEventError`."""
        fields = _fields(event)
        raw = fields.object("raw")
        return cls(
            run=Run.read(fields),
            table=_table(fields),
            segment=fields.integer("segment"),
            chunk=fields.integer("chunk"),
            key=raw.text("key"),
            page=raw.integer("page"),
            items=raw.integer("items"),
        )


@dataclass(frozen=True, slots=True)
class TransformResult:
    """A staged chunk in S3 (`key`) and its counts of items; rejects lie beside it, under `rejects/`.

    `next_page` is the raw chunk's page to go on from, None if it was converted to its end.
    """

    key: str
    scanned: int
    staged: int
    rejected: int
    sanitized: int
    next_page: int | None

    def to_event(self) -> dict[str, Any]:
        """As the state machine reads it."""
        return _to_event(self)


@dataclass(frozen=True, slots=True)
class StagedChunk:
    """What the load is told of one chunk: its staged object and its counts."""

    key: str
    scanned: int
    staged: int
    rejected: int
    sanitized: int
    read_units: float
    bytes: int


@dataclass(frozen=True, slots=True)
class StagedTable:
    """All chunks of one table, in segment order.

    `twins` are staged rows that the load made rejects, since U+FFFD for U+0000 gave them another row's key.
    """

    table: Table
    segments: int
    chunks: tuple[StagedChunk, ...]
    twins: int = 0

    @property
    def scanned(self) -> int:
        """Items of all chunks."""
        return sum(chunk.scanned for chunk in self.chunks)

    @property
    def staged(self) -> int:
        """Rows of all chunks."""
        return sum(chunk.staged for chunk in self.chunks) - self.twins

    @property
    def rejected(self) -> int:
        """Items of all chunks that did not fit."""
        return sum(chunk.rejected for chunk in self.chunks) + self.twins

    @property
    def sanitized(self) -> int:
        """Rows of all chunks that hold U+FFFD for U+0000."""
        return sum(chunk.sanitized for chunk in self.chunks)

    @property
    def read_units(self) -> float:
        """What scanning the table cost in DynamoDB's read units."""
        return sum(chunk.read_units for chunk in self.chunks)

    @property
    def bytes(self) -> int:
        """Bytes of the table's pages, uncompressed."""
        return sum(chunk.bytes for chunk in self.chunks)


class Strategy(StrEnum):
    """How a load replaces the rows of its tables: the template's parameter `LoadStrategy`."""

    TRUNCATE = "truncate"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """The tables to load in one transaction, and the run's own limits, in percent."""

    run: Run
    input: dict[str, Any]
    dry_run: bool
    save_csv: bool
    force: bool
    strategy: Strategy
    max_reject_percent: float
    max_shrink_percent: float
    tables: tuple[StagedTable, ...]

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Parse the event of the LoadWarehouse state; raises `ContractVersionError`, `InvalidEventError`."""
        fields = _fields(event)
        tables = tuple(_staged_table(table) for table in fields.objects("tables"))
        names = [staged.table.name for staged in tables]
        if not tables or len(set(names)) < len(names):
            raise InvalidEventError("tables", names, "at least one table, each once")
        return cls(
            run=Run.read(fields),
            input=fields.dictionary("input"),
            dry_run=fields.flag("dryRun"),
            save_csv=fields.flag("saveCsv"),
            force=fields.flag("force"),
            strategy=Strategy(fields.text("strategy", among=tuple(Strategy))),
            max_reject_percent=fields.number("maxRejectPercent", maximum=100),
            max_shrink_percent=fields.number("maxShrinkPercent", maximum=100),
            tables=tables,
        )


@dataclass(frozen=True, slots=True)
class LoadedTable:
    """What the load did to one table: a row of `pipeline_run_tables`, by the same names."""

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
class LoadResult:
    """What the run came to; not committed means a dry run."""

    committed: bool
    tables: tuple[LoadedTable, ...]

    def to_event(self) -> dict[str, Any]:
        """As the execution's output shows it."""
        return {"committed": self.committed, "tables": [_to_event(table) for table in self.tables]}


def _fields(event: Any) -> Fields:
    """An event's fields, once its version is known: in another one they may mean something else."""
    fields = Fields(event)
    version = event.get("contract")
    if isinstance(version, bool) or version != CONTRACT:
        raise ContractVersionError(version, CONTRACT)
    return fields


def _table(fields: Fields) -> Table:
    return TABLES[fields.text("table", among=tuple(TABLES))]


_SEGMENT = re.compile(r"(\d+)/([1-9]\d*)", re.ASCII)


def _keys(event: Fields, name: str) -> Keys:
    fields = event.object(name)
    keys: Keys = {}
    for segment in event.dictionary(name):
        match = _SEGMENT.fullmatch(segment)
        if match is None or int(match[1]) >= int(match[2]):
            raise InvalidEventError(fields.path(segment), segment, "a segment and the number of all, such as 5/8")
        keys[segment] = None if fields.is_null(segment) else _key(fields, segment)
    if not keys:
        raise InvalidEventError(event.path(name), keys, "the segments to go on with")
    return keys


_KEY_TYPES = ("S", "N", "B")


def _key(fields: Fields, name: str) -> Item:
    key, attributes = fields.dictionary(name), fields.object(name)
    if not key:
        raise InvalidEventError(fields.path(name), key, "a key in DynamoDB's JSON")
    for attribute in key:
        _check_key_value(attributes, attribute)
    return key


def _check_key_value(fields: Fields, name: str) -> None:
    value = fields.dictionary(name)
    kind = next(iter(value), None)
    if kind not in _KEY_TYPES or len(value) > 1:
        raise InvalidEventError(fields.path(name), value, f"one of the types {', '.join(_KEY_TYPES)}")
    typed = fields.object(name)
    text = typed.text(kind)
    if kind == "B":
        try:
            base64.b64decode(text, validate=True)
        except ValueError:
            raise InvalidEventError(typed.path(kind), text, "base64") from None


def _staged_table(fields: Fields) -> StagedTable:
    table = _table(fields)
    segments = list(fields.objects("segments"))
    return StagedTable(
        table=table,
        segments=len(segments),
        chunks=tuple(
            StagedChunk(
                key=chunk.text("key"),
                scanned=chunk.integer("scanned"),
                staged=chunk.integer("staged"),
                rejected=chunk.integer("rejected"),
                sanitized=chunk.integer("sanitized"),
                read_units=chunk.number("readUnits"),
                bytes=chunk.integer("bytes"),
            )
            for segment in segments
            for chunk in segment.objects("chunks")
        ),
    )


def _to_event(result: Any) -> dict[str, Any]:
    """A result's fields in the state machine's spelling: `read_units` is `readUnits`."""
    return {_camel_case(name): value for name, value in asdict(result).items()}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
