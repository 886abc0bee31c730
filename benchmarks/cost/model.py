"""What a run of one table takes and costs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil

from benchmarks.cost.assumptions import Assumptions
from benchmarks.cost.plan import Plan, concurrency, events, function_setting, parameter, transitions
from benchmarks.cost.sizes import mean_stored_bytes
from benchmarks.figures import Figure
from demand_pipeline.deadline import RESERVE_SECONDS
from demand_pipeline.s3.upload import PART_BYTES

_UNIT_BYTES = 8192  # DynamoDB: eventually consistent, a read unit is two times 4 KB
_GB = 2**30
_DAYS_A_MONTH = 365 / 12


class MissingFigureError(LookupError):
    """The model needs a figure that was not measured; the message names it."""


@dataclass(frozen=True)
class Measured:
    """The figures that the model stands on; seconds and bytes of one item or row."""

    scan_seconds: float
    transform_seconds: float
    load_seconds: float
    wire_bytes: float
    raw_bytes: float  # compressed
    staged_bytes: float  # compressed
    stored_bytes: float  # as DynamoDB counts them
    cold_seconds: float

    @classmethod
    def of(cls, figures: Mapping[str, Figure]) -> "Measured":
        """Pick them from the results; raises MissingFigureError."""

        def value(name: str) -> float:
            if name not in figures:
                raise MissingFigureError(name)
            return figures[name].value

        return cls(
            scan_seconds=value("scan_handler_cpu_us_per_item") / 1e6,
            transform_seconds=value("transform_handler_cpu_us_per_item") / 1e6,
            load_seconds=value("load_truncate_us_per_row") / 1e6,
            wire_bytes=value("scan_wire_bytes_per_item"),
            raw_bytes=value("scan_compressed_bytes_per_item"),
            staged_bytes=value("transform_compressed_bytes_per_item"),
            stored_bytes=mean_stored_bytes(),
            cold_seconds=max(value(f"cold_{name}_import_ms") for name in ("scan_segment", "transform")) / 1e3,
        )


@dataclass(frozen=True)
class Run:
    """A run of one table of `items` items, planned as the state machine would."""

    items: int
    measured: Measured
    assumed: Assumptions = field(default_factory=Assumptions)

    @property
    def table_bytes(self) -> float:
        """What DynamoDB says the table's size is."""
        return self.items * self.measured.stored_bytes

    @cached_property
    def plan(self) -> Plan:
        """Segments and chunk size."""
        return Plan.of(self.table_bytes)

    @property
    def read_units(self) -> float:
        """Read units of one scan, eventually consistent."""
        return self.table_bytes / _UNIT_BYTES

    @property
    def reading_seconds(self) -> float:
        """How long scans wait for DynamoDB, all segments together: a page's time, or the table's limit."""
        limits = self.assumed
        partitions = ceil(self.table_bytes / limits.partition_bytes)
        rate = min(limits.table_units_per_second, partitions * limits.partition_units_per_second)
        at_once = min(self.plan.segments, concurrency())
        return max(self.read_units / 128 * limits.page_seconds, at_once * self.read_units / rate)

    @property
    def scan_seconds(self) -> float:
        """Seconds of the scan function, all invocations: waiting and working take turns."""
        return self.reading_seconds + self._worked(self.measured.scan_seconds) + self._sent(self.measured.raw_bytes)

    @property
    def transform_seconds(self) -> float:
        """Seconds of the transform function, all invocations."""
        sent = self._sent(self.measured.raw_bytes + self.measured.staged_bytes)
        return self._worked(self.measured.transform_seconds) + sent

    @property
    def load_seconds(self) -> float:
        """Seconds of the one load, which waits for PostgreSQL most of the time."""
        return self.items * self.measured.load_seconds

    @property
    def chunks(self) -> int:
        """Chunks of the table: a segment's end, `chunkBytes` or the function's time ends one."""
        per_segment = self.items / self.plan.segments
        by_size = per_segment * self.measured.wire_bytes / self.plan.chunk_bytes
        by_time = max(self.scan_seconds, self.transform_seconds) / self.plan.segments / usable_seconds()
        return self.plan.segments * ceil(max(by_size, by_time, 1))

    @property
    def invocations(self) -> int:
        """Calls of functions: two a chunk and the load."""
        return 2 * self.chunks + 1

    @property
    def lambda_gb_seconds(self) -> dict[str, float]:
        """GB-seconds a stage, cold starts included."""
        memory = function_setting("MemorySize") / 1024
        cold = self.assumed.cold_starts * self.measured.cold_seconds
        return {
            "scan": memory * (self.scan_seconds + cold * self.chunks),
            "transform": memory * (self.transform_seconds + cold * self.chunks),
            "load": memory * (self.load_seconds + cold),
        }

    @property
    def transitions(self) -> int:
        """State transitions, without retries."""
        return transitions(self.plan.segments, self.chunks)

    @property
    def events(self) -> int:
        """Events in the execution's history, without retries."""
        return events(self.plan.segments, self.chunks)

    @property
    def payload_bytes(self) -> int:
        """About what the load is given: the chunks' records."""
        prefix = f"runs/2026-11-23/{self.assumed.run_name}/staged/cases/39/9-0123abcd.json.gz"
        counts = dict.fromkeys(("scanned", "staged", "rejected", "sanitized"), self.items // self.chunks)
        record = {"key": prefix, **counts, "readUnits": 1_234_567.5, "bytes": 12_345_678_901}
        return self.chunks * (len(json.dumps(record)) + 2)

    @property
    def s3_writes(self) -> int:
        """PUT and POST requests: one for a small object, else one a part and two around them."""
        return self.chunks * sum(
            _requests(self.items * size / self.chunks) for size in (self.measured.raw_bytes, self.measured.staged_bytes)
        )

    @property
    def s3_reads(self) -> int:
        """GET requests: each raw chunk by the transform, each staged chunk by the load."""
        return 2 * self.chunks

    @property
    def s3_gb(self) -> float:
        """What the run leaves in S3."""
        return self.items * (self.measured.raw_bytes + self.measured.staged_bytes) / _GB

    @property
    def seconds(self) -> float:
        """From start to end: the segments' work side by side, then the load."""
        at_once = min(self.plan.segments, concurrency())
        return (self.scan_seconds + self.transform_seconds) / at_once + self.load_seconds

    @property
    def dollars(self) -> dict[str, float]:
        """What each part of the run costs."""
        prices, months = self.assumed.prices, parameter("StagingRetentionDays") / _DAYS_A_MONTH
        stages = {f"Lambda, {stage}": prices.lambda_gb_second.of(gb) for stage, gb in self.lambda_gb_seconds.items()}
        return stages | {
            "Lambda, requests": prices.lambda_request.of(self.invocations),
            "Step Functions, state transitions": prices.transition.of(self.transitions),
            "S3, requests": prices.s3_write.of(self.s3_writes) + prices.s3_read.of(self.s3_reads),
            f"S3, {parameter('StagingRetentionDays')} days of storage": prices.s3_gb_month.of(self.s3_gb) * months,
            "DynamoDB, reads": prices.read_unit.of(self.read_units),
        }

    @property
    def total(self) -> float:
        """Dollars of the whole run."""
        return sum(self.dollars.values())

    def _worked(self, seconds: float) -> float:
        return self.items * seconds / self.assumed.processor

    def _sent(self, size: float) -> float:
        return self.items * size / self.assumed.s3_bytes_per_second


def usable_seconds() -> float:
    """What is left of a function's time for its work."""
    return float(function_setting("Timeout")) - RESERVE_SECONDS


def _requests(size: float) -> int:
    return 1 if size < PART_BYTES else ceil(size / PART_BYTES) + 2
