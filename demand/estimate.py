"""Estimates reads, cost and duration of a run with the model of `demand.cost`, from the sizes that DynamoDB reports."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from demand.cost import Measured, Run, Settings, TableRun
from demand.cost.table_run import UNIT_BYTES
from demand.runs import execution
from demand.sources import Source, describe_sources
from demand.stack import Stack
from demand_pipeline.builders import TABLES

_RUNS = 10  # searched for the size of items
_ENOUGH_UNITS = 20

# The template's parameters that the model needs, by the model's names.
PARAMETERS = {
    "min_segments": "MinSegments",
    "max_segments": "MaxSegments",
    "segment_bytes": "SegmentBytes",
    "chunk_bytes": "ChunkBytes",
    "functions_per_table": "MaxFunctionsPerTable",
    "read_units_per_second": "MaxReadUnitsPerSecond",
    "parallel_copy_bytes": "ParallelCopyBytes",
    "load_concurrency": "LoadConcurrency",
    "load_strategy": "LoadStrategy",
    "keep_previous": "KeepPrevious",
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
    """A limit and the share of it that the run uses; above 1 the run fails, and the warehouse is unchanged."""

    name: str
    share: float


@dataclass(frozen=True)
class Estimate:
    """A whole run, with a load strategy. `limits` starts with the one that the run reaches first.

    `readers_wait_seconds` is how long the load locks readers out. `disk_bytes` is the maximum on PostgreSQL's disk.
    `unknown` names tables whose size DynamoDB reports as 0.
    """

    tables: tuple[TableEstimate, ...]
    strategy: str
    segments: int
    chunks: int
    read_units: float
    seconds: float
    readers_wait_seconds: float
    dollars: Mapping[str, float]
    total: float
    disk_bytes: float
    limits: tuple[Limit, ...]
    unknown: tuple[str, ...]
    prices: str
    measured: str


def estimate(stack: Stack, names: Iterable[str] | None = None) -> Estimate:
    """Estimate a run of these tables, or of all. No items are read.

    The size of items as JSON comes from the latest run that read the whole table; otherwise it is in proportion to the
    benchmark's items.
    """
    sources = describe_sources(stack, [TABLES[name] for name in names or TABLES])
    return of_sizes(sources, settings_of(stack), json_sizes(execution.list_runs(stack, _RUNS)))


def json_sizes(runs: Iterable[execution.Run]) -> dict[str, float]:
    """Bytes of DynamoDB's JSON per stored byte by table, from the first of these runs that read all of it.

    The run's read units give the stored bytes; rounding distorts the read units of a few pages.
    """
    found: dict[str, float] = {}
    for run in runs:
        for counts in run.tables if "maxItems" not in run.input else ():
            if counts["readUnits"] >= _ENOUGH_UNITS:
                found.setdefault(str(counts["table"]), counts["bytes"] / (counts["readUnits"] * UNIT_BYTES))
    return found


def of_sizes(
    sources: Sequence[Source], settings: Settings, json_size: Mapping[str, float] = MappingProxyType({})
) -> Estimate:
    """Estimate a run of tables of these sizes with a deployment's settings; `json_size` as from `json_sizes`."""
    known = Measured.load()
    run = Run(tuple(_table_run(source, known, settings, json_size.get(source.table)) for source in sources))
    limits = [Limit(name, share) for name, share in run.limits.items()]
    return Estimate(
        tables=tuple(_table(source, table, run.streams) for source, table in zip(sources, run.tables, strict=True)),
        strategy=settings.load_strategy,
        segments=run.segments,
        chunks=run.chunks,
        read_units=run.read_units,
        seconds=run.seconds,
        readers_wait_seconds=run.readers_wait_seconds,
        dollars=run.dollars,
        total=run.total,
        disk_bytes=run.disk_bytes,
        limits=tuple(sorted(limits, key=lambda limit: -limit.share)),
        unknown=tuple(source.table for source in sources if not source.bytes),
        prices=f"list prices of {run.prices.date} in {run.prices.region}",
        measured=f"the benchmark of {known.date}",
    )


def settings_of(stack: Stack) -> Settings:
    """Return the deployment's settings; a parameter that the stack lacks has the template's default."""
    values = {field: stack.parameters.get(parameter) for field, parameter in PARAMETERS.items()}
    return Settings(**{field: read_parameter(field, text) for field, text in values.items() if text})


def read_parameter(field: str, text: str) -> Any:
    """Convert a parameter's value to the type of a setting."""
    kind = type(getattr(Settings(), field))
    return text == "true" if kind is bool else kind(text)


def _table_run(source: Source, measured: Measured, settings: Settings, json_size: float | None) -> TableRun:
    if json_size:
        measured = replace(measured, response_bytes=json_size * measured.stored_bytes)
    return TableRun(source.items, source.bytes, measured, settings)


def _table(source: Source, run: TableRun, streams: int) -> TableEstimate:
    return TableEstimate(
        table=source.table,
        source=source.name,
        items=source.items,
        bytes=source.bytes,
        segments=run.segments,
        chunks=run.chunks,
        read_units=run.read_units,
        seconds=run.staging_seconds,
        load_seconds=run.copy_seconds / streams + run.publish_seconds,
    )
