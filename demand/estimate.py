"""What a run will read, cost and take: the model of `demand.cost` for the sizes that DynamoDB reports."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from demand.cost import Measured, Run, Settings, TableRun
from demand.runs import execution
from demand.sources import Source, describe_sources
from demand.stack import Stack
from demand_pipeline.builders import TABLES

_RUNS = 10  # looked at for the size of items

# The template's parameters that decide how a run is cut, by the model's names for them.
PARAMETERS = {
    "min_segments": "MinSegments",
    "max_segments": "MaxSegments",
    "segment_bytes": "SegmentBytes",
    "chunk_bytes": "ChunkBytes",
    "functions_per_table": "MaxFunctionsPerTable",
    "read_units_per_second": "MaxReadUnitsPerSecond",
    "parallel_copy_bytes": "ParallelCopyBytes",
    "staging_days": "StagingRetentionDays",
}


@dataclass(frozen=True)
class TableEstimate:
    """One table: `seconds` is until its last chunk is staged, `load_seconds` its share of the load."""

    table: str
    source: str
    items: int
    bytes: int
    segments: int
    chunks: int
    read_units: float
    seconds: float
    load_seconds: float


@dataclass(frozen=True)
class Limit:
    """A limit and the share of it that the run uses; above 1 the run fails, and the warehouse stays as it is."""

    name: str
    share: float


@dataclass(frozen=True)
class Estimate:
    """A whole run. `limits` has the one that binds first; `unknown` names tables whose size DynamoDB reports as 0."""

    tables: tuple[TableEstimate, ...]
    segments: int
    chunks: int
    read_units: float
    seconds: float
    dollars: Mapping[str, float]
    total: float
    limits: tuple[Limit, ...]
    unknown: tuple[str, ...]
    prices: str
    measured: str


def estimate(stack: Stack, names: Iterable[str] | None = None) -> Estimate:
    """Estimate a run of these tables, or of all. No items are read.

    How many bytes an item has as JSON is known from the latest run that read all of its table; otherwise it is as in
    the benchmark, in proportion.
    """
    sources = describe_sources(stack, [TABLES[name] for name in names or TABLES])
    return of_sizes(sources, settings_of(stack), json_bytes(execution.list_runs(stack, _RUNS)))


def json_bytes(runs: Iterable[execution.Run]) -> dict[str, float]:
    """The bytes of an item in DynamoDB's JSON by table, from the first of these runs that read all of it."""
    found: dict[str, float] = {}
    for run in runs:
        for counts in run.tables if "maxItems" not in run.input else ():
            if counts.get("scanned") and counts.get("bytes"):
                found.setdefault(str(counts["table"]), counts["bytes"] / counts["scanned"])
    return found


def of_sizes(
    sources: Sequence[Source], settings: Settings, item_bytes: Mapping[str, float] = MappingProxyType({})
) -> Estimate:
    """Estimate a run of tables of these sizes, with a deployment's settings; `item_bytes` as JSON, by table."""
    known = Measured.load()
    run = Run(tuple(_table_run(source, known, settings, item_bytes.get(source.table)) for source in sources))
    limits = [Limit(name, share) for name, share in run.limits.items()]
    return Estimate(
        tables=tuple(_table(source, table) for source, table in zip(sources, run.tables, strict=True)),
        segments=run.segments,
        chunks=run.chunks,
        read_units=run.read_units,
        seconds=run.seconds,
        dollars=run.dollars,
        total=run.total,
        limits=tuple(sorted(limits, key=lambda limit: -limit.share)),
        unknown=tuple(source.table for source in sources if not source.bytes),
        prices=f"list prices of {run.prices.date} in {run.prices.region}",
        measured=f"the benchmark of {known.date}",
    )


def settings_of(stack: Stack) -> Settings:
    """The deployment's settings; what the stack does not say is the template's default."""
    values = {field: stack.parameters.get(parameter) for field, parameter in PARAMETERS.items()}
    return Settings(**{field: int(value) for field, value in values.items() if value})


def _table_run(source: Source, measured: Measured, settings: Settings, item_bytes: float | None) -> TableRun:
    if item_bytes and source.items and source.bytes:
        per_byte = item_bytes * source.items / source.bytes
        measured = replace(measured, response_bytes=per_byte * measured.stored_bytes)
    return TableRun(source.items, source.bytes, measured, settings)


def _table(source: Source, run: TableRun) -> TableEstimate:
    return TableEstimate(
        table=source.table,
        source=source.name,
        items=source.items,
        bytes=source.bytes,
        segments=run.segments,
        chunks=run.chunks,
        read_units=run.read_units,
        seconds=run.staging_seconds,
        load_seconds=run.load_seconds,
    )
