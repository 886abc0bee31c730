"""Input and output of the load."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from demand_pipeline.contracts.event import Run, read_event, read_table, to_camel_case
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.errors import InvalidEventError
from demand_pipeline.tables import Table


@dataclass(frozen=True, slots=True)
class StagedChunk:
    """One staged chunk: its object and its counts."""

    key: str
    scanned: int
    staged: int
    rejected: int
    sanitized: int
    read_units: float
    bytes: int


@dataclass(frozen=True, slots=True)
class StagedTable:
    """All chunks of one table, in segment order."""

    table: Table
    segments: int
    chunks: tuple[StagedChunk, ...]

    @property
    def scanned(self) -> int:
        """Items of all chunks."""
        return sum(chunk.scanned for chunk in self.chunks)

    @property
    def staged(self) -> int:
        """Rows of all chunks."""
        return sum(chunk.staged for chunk in self.chunks)

    @property
    def rejected(self) -> int:
        """Items of all chunks that did not fit."""
        return sum(chunk.rejected for chunk in self.chunks)

    @property
    def sanitized(self) -> int:
        """Rows of all chunks that hold U+FFFD for U+0000."""
        return sum(chunk.sanitized for chunk in self.chunks)

    @property
    def read_units(self) -> float:
        """DynamoDB read units that the scan of the table consumed."""
        return sum(chunk.read_units for chunk in self.chunks)

    @property
    def bytes(self) -> int:
        """Bytes of the table's pages, uncompressed."""
        return sum(chunk.bytes for chunk in self.chunks)


class Strategy(StrEnum):
    """How a load replaces the rows of its tables: the template's parameter `LoadStrategy`."""

    TRUNCATE = "truncate"
    MERGE = "merge"
    SWAP = "swap"


class Step(StrEnum):
    """The purpose of a call of the load: to prepare for other functions that copy chunks, or to load."""

    PREPARE = "prepare"
    LOAD = "load"


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """The tables to load in one transaction, and the run's own limits, in percent.

    `keep_previous`: a swap keeps the rows that it replaces.
    """

    run: Run
    step: Step
    input: dict[str, Any]
    dry_run: bool
    save_csv: bool
    force: bool
    strategy: Strategy
    keep_previous: bool
    max_reject_percent: float
    max_shrink_percent: float
    tables: tuple[StagedTable, ...]

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Parse the event of the LoadWarehouse state; raises `ContractVersionError`, `InvalidEventError`."""
        fields = read_event(event)
        tables = tuple(_staged_table(table) for table in fields.objects("tables"))
        names = [staged.table.name for staged in tables]
        if not tables or len(set(names)) < len(names):
            raise InvalidEventError("tables", names, "at least one table, each once")
        return cls(
            run=Run.read(fields),
            step=Step(fields.text("step", among=tuple(Step))),
            input=fields.dictionary("input"),
            dry_run=fields.flag("dryRun"),
            save_csv=fields.flag("saveCsv"),
            force=fields.flag("force"),
            strategy=Strategy(fields.text("strategy", among=tuple(Strategy))),
            keep_previous=fields.flag("keepPrevious"),
            max_reject_percent=fields.number("maxRejectPercent", maximum=100),
            max_shrink_percent=fields.number("maxShrinkPercent", maximum=100),
            tables=tables,
        )


@dataclass(frozen=True, slots=True)
class LoadedTable:
    """The load's counts of one table: a row of `pipeline_run_tables`, with the same names."""

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
class AttributeChange:
    """An attribute that is `new`, `vanished` or `retyped` since the table's previous run.

    `types` are its new DynamoDB types, or the types of a vanished attribute; `items` is the number of items with it.
    """

    table: str
    path: str
    change: str
    types: tuple[str, ...]
    items: int


# A state's output is limited to 256 KiB. All changes can be derived from `pipeline_run_attributes`.
_SHOWN_CHANGES = 50
_SHOWN_WARNINGS = 50


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The run's result; the result of a dry run is not committed.

    `schema_changes` lists the created tables and the added columns. An attempt after the commit cannot list them, so
    comparisons of results ignore them.
    `warnings` lists failures that do not fail the run.
    """

    committed: bool
    tables: tuple[LoadedTable, ...]
    drift: tuple[AttributeChange, ...] = ()
    schema_changes: tuple[str, ...] = field(default=(), compare=False)
    warnings: tuple[str, ...] = ()

    def to_event(self) -> dict[str, Any]:
        """Return the result as the execution's output shows it."""
        return {
            "committed": self.committed,
            "tables": [to_camel_case(table) for table in self.tables],
            "drift": [to_camel_case(change) for change in self.drift[:_SHOWN_CHANGES]],
            "schemaChanges": list(self.schema_changes[:_SHOWN_CHANGES]),
            "warnings": list(self.warnings[:_SHOWN_WARNINGS]),
        }


@dataclass(frozen=True, slots=True)
class Again:
    """The load is not finished: call it again after `seconds`. `reason` describes the remaining work."""

    seconds: int
    reason: str = ""

    def to_event(self) -> dict[str, Any]:
        """Return the answer as the state machine reads it."""
        return {"again": self.seconds} | ({"reason": self.reason} if self.reason else {})


def _staged_table(fields: Fields) -> StagedTable:
    table = read_table(fields)
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
