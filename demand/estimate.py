"""What a run will read, cost and take: the model of `demand.cost` for the sizes that DynamoDB reports."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from demand.cost import Measured, Run, Settings, shares_of_limits
from demand.sources import Source, describe_sources
from demand.stack import Stack
from demand_pipeline.builders import TABLES

# The template's parameters that decide how a run is cut, by the model's names for them.
PARAMETERS = {
    "min_segments": "MinSegments",
    "max_segments": "MaxSegments",
    "segment_bytes": "SegmentBytes",
    "chunk_bytes": "ChunkBytes",
    "functions_per_table": "MaxFunctionsPerTable",
    "read_units_per_second": "MaxReadUnitsPerSecond",
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
    dollars: float


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

    @property
    def minutes(self) -> float:
        """From the start to the commit."""
        return self.seconds / 60


def estimate(stack: Stack, names: Iterable[str] | None = None) -> Estimate:
    """Estimate a run of these tables, or of all; nothing but the tables' descriptions is read."""
    sources = describe_sources(stack, [TABLES[name] for name in names or TABLES])
    return of_sizes(sources, settings_of(stack))


def of_sizes(sources: Iterable[Source], settings: Settings, measured: Measured | None = None) -> Estimate:
    """Estimate a run of tables of these sizes, with a deployment's settings."""
    known = measured or Measured.load()
    runs = {source: Run(source.items, source.bytes, known, settings) for source in sources}
    alone = list(runs.values())
    shared = alone[0].shared_dollars
    dollars = {
        service: sum(run.dollars[service] for run in alone) - (len(alone) - 1) * shared.get(service, 0.0)
        for service in alone[0].dollars
    }
    limits = [Limit(name, share) for name, share in shares_of_limits(alone).items()]
    return Estimate(
        tables=tuple(_table(source, run) for source, run in runs.items()),
        segments=sum(run.segments for run in alone),
        chunks=sum(run.chunks for run in alone),
        read_units=sum(run.read_units for run in alone),
        seconds=max(run.staging_seconds for run in alone) + sum(run.load_seconds for run in alone),
        dollars=dollars,
        total=sum(dollars.values()),
        limits=tuple(sorted(limits, key=lambda limit: -limit.share)),
        unknown=tuple(source.table for source in runs if not source.bytes),
        prices=f"list prices of {alone[0].prices.date} in {alone[0].prices.region}",
        measured=f"the benchmark of {known.date}",
    )


def settings_of(stack: Stack) -> Settings:
    """The deployment's settings; what the stack does not say is the template's default."""
    values = {field: stack.parameters.get(parameter) for field, parameter in PARAMETERS.items()}
    return Settings(**{field: int(value) for field, value in values.items() if value})


def _table(source: Source, run: Run) -> TableEstimate:
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
        dollars=run.total,
    )
