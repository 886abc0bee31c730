"""A run of one table: how it is cut, how long it takes, what it costs and which limits it reaches."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from demand.cost.measured import Measured
from demand.cost.prices import PRICES, Prices
from demand.cost.settings import (
    ACCOUNT_FUNCTIONS,
    EVENTS,
    PAYLOAD_BYTES,
    UPLOAD_PARTS,
    Assumptions,
    Settings,
)

_HALF_UNIT_BYTES = 4096  # DynamoDB: an eventually consistent read unit is two times 4 KB
_PAGE_BYTES = 1 << 20  # DynamoDB: a page ends at 1 MB of items
_TASK, _GROUP, _OTHER, _AROUND = 5, 4, 2, 2  # Step Functions: events of a state, and of an execution or iteration
_GB = 2**30
_DAYS_PER_MONTH = 365 / 12


@dataclass(frozen=True)
class Run:
    """A full refresh of one table, alone in its run, without retries.

    `items` and `table_bytes` are DescribeTable's ItemCount and TableSizeBytes. CPU per item is the benchmark's; items
    that are larger than the benchmark's cost more in proportion, smaller ones cost as much.
    """

    items: int
    table_bytes: float
    measured: Measured
    settings: Settings = field(default_factory=Settings)
    assumed: Assumptions = field(default_factory=Assumptions)
    prices: Prices = PRICES

    @property
    def segments(self) -> int:
        """Segments of the scan, as the state machine computes them."""
        limit = min(self.settings.max_segments, self.settings.chunks_per_table)
        if self.settings.read_units_per_second > 0:
            limit = min(limit, max(1, self.settings.read_units_per_second // self.assumed.page_units))
        wanted = ceil(self.table_bytes / self.settings.segment_bytes)
        return min(limit, max(self.settings.min_segments, wanted))

    @property
    def chunk_bytes(self) -> int:
        """Bytes of pages after which a chunk ends, as the state machine computes them."""
        return max(self.settings.chunk_bytes, ceil(self.table_bytes / self.settings.chunks_per_table))

    @property
    def readers(self) -> int:
        """Parts of a segment that are read at the same time; a limit on read units needs a single reader."""
        return 1 if self.settings.read_units_per_second > 0 else self.settings.segment_readers

    @property
    def chunks(self) -> int:
        """Chunks of the table: the segment's end, `chunk_bytes` or the function's time ends one.

        A chunk ends with a page, and then the other reader's page is still to come.
        """
        pages = self.readers * ceil(self._part_bytes / _PAGE_BYTES)
        page_bytes = _PAGE_BYTES * self.measured.response_bytes / self.measured.stored_bytes
        by_size = pages / (ceil(self.chunk_bytes / page_bytes) + self.readers - 1)
        longest = max(self.scan_seconds, self.transform_seconds) / self.segments
        return self.segments * ceil(max(by_size, longest / self.settings.usable_seconds, 1))

    @property
    def read_units(self) -> float:
        """Read units of one scan, eventually consistent: a page is rounded up to half a unit."""
        return self.segments * self.readers * max(1, ceil(self._part_bytes / _HALF_UNIT_BYTES)) / 2

    @property
    def reading_seconds(self) -> float:
        """How long scans wait for DynamoDB, all segments together: for single pages, or for the table's limit."""
        limits = self.assumed
        partitions = max(1, ceil(self.table_bytes / limits.partition_bytes))
        rate = min(limits.table_units_per_second, partitions * limits.partition_units_per_second)
        if self.settings.read_units_per_second > 0:
            rate = min(rate, self.settings.read_units_per_second)
        pages = self.read_units / limits.page_units
        return max(pages * limits.page_seconds, self._at_once * self.read_units / rate)

    @property
    def scan_seconds(self) -> float:
        """Seconds of the scan function, all invocations: reading, working and sending take turns."""
        return self.reading_seconds + self._cpu(self.measured.scan_us) + self._transfer(self.measured.raw_bytes)

    @property
    def transform_seconds(self) -> float:
        """Seconds of the transform function, all invocations."""
        sizes = self.measured.raw_bytes + self.measured.staged_bytes
        return self._cpu(self.measured.transform_us) + self._transfer(sizes)

    @property
    def load_seconds(self) -> float:
        """Seconds of the load, most of which it waits for PostgreSQL."""
        return self._weight * self.measured.load_us / 1e6

    @property
    def seconds(self) -> float:
        """From start to end: the segments' work in parallel, then the load."""
        return self.staging_seconds + self.load_seconds

    @property
    def staging_seconds(self) -> float:
        """Until all is staged: the segments' work in parallel."""
        return (self.scan_seconds + self.transform_seconds) / self._at_once

    @property
    def gb_seconds(self) -> float:
        """GB-seconds of all functions, cold starts included."""
        cold = self.invocations * self.assumed.cold_starts * self.measured.cold_start_ms / 1e3
        return self.settings.memory_mb / 1024 * (self.scan_seconds + self.transform_seconds + self.load_seconds + cold)

    @property
    def invocations(self) -> int:
        """Calls of functions: two per chunk, and the load."""
        return 2 * self.chunks + 1

    @property
    def transitions(self) -> int:
        """States entered, by which Step Functions bills: a chunk has 3, the end of a segment 1.

        The table's own branch has one more than a skipped one.
        """
        return self.idle_transitions + 1 + self.segments + 3 * self.chunks

    @property
    def idle_transitions(self) -> int:
        """States entered around the branches, and 2 in each branch that is skipped: what tables of one run share."""
        return 4 + 2 * self.settings.tables

    @property
    def events(self) -> int:
        """Events in the execution's history: 5 for a Task, 4 for a Map or Parallel, 2 for any other state.

        The execution itself and each iteration of the Map add 2.
        """
        own = _TASK + _GROUP - _OTHER  # Describe and Map, instead of being skipped
        return self.idle_events + own + self.segments * (_AROUND + _OTHER) + self.chunks * (2 * _TASK + _OTHER)

    @property
    def idle_events(self) -> int:
        """Events of a run without its tables' work: what tables of one run share."""
        machine = _AROUND + 2 * _OTHER + _GROUP + _TASK  # CheckInput, PrepareRun, Refresh, LoadWarehouse
        return machine + self.settings.tables * 2 * _OTHER

    @property
    def payload_bytes(self) -> int:
        """About the size of the load's input, which lists the chunks."""
        key = "runs/2026-11-23/scheduled-01234567-89ab-cdef-0123-456789abcdef/staged/cases/39/9-0123abcd.json.gz"
        counts = dict.fromkeys(("scanned", "staged", "rejected", "sanitized"), self.items // self.chunks)
        record = {"key": key, **counts, "readUnits": 1_234_567.5, "bytes": 12_345_678_901}
        return self.chunks * (len(json.dumps(record)) + 2)

    @property
    def s3_writes(self) -> int:
        """PUT and POST requests of all raw and staged chunks."""
        sizes = (self.measured.raw_bytes, self.measured.staged_bytes)
        return self.chunks * sum(self._upload_requests(self._bytes(size) / self.chunks) for size in sizes)

    @property
    def s3_reads(self) -> int:
        """GET requests: the transform reads each raw chunk, the load each staged one."""
        return 2 * self.chunks

    @property
    def s3_gb(self) -> float:
        """What the run leaves in S3."""
        return self._bytes(self.measured.raw_bytes + self.measured.staged_bytes) / _GB

    @property
    def dollars(self) -> dict[str, float]:
        """Cost by service."""
        prices, months = self.prices, self.settings.staging_days / _DAYS_PER_MONTH
        return {
            "Lambda": prices.lambda_gb_second.of(self.gb_seconds) + prices.lambda_request.of(self.invocations),
            "Step Functions": prices.transition.of(self.transitions),
            "S3 requests": prices.s3_write.of(self.s3_writes) + prices.s3_read.of(self.s3_reads),
            "S3 storage": prices.s3_gb_month.of(self.s3_gb) * months,
            "DynamoDB reads": prices.read_unit.of(self.read_units),
        }

    @property
    def total(self) -> float:
        """Dollars of the whole run."""
        return sum(self.dollars.values())

    @property
    def limits(self) -> dict[str, float]:
        """The share of each limit that the run uses. Above 1 it fails: nothing is loaded, yesterday's data stays."""
        return shares_of_limits((self,))

    @property
    def _at_once(self) -> int:
        """Segments that run at once."""
        return min(self.segments, self.settings.functions_per_table)

    @property
    def shared_dollars(self) -> dict[str, float]:
        """What tables of one run pay for once, by service: the load's call and the states around the branches."""
        cold = self.assumed.cold_starts * self.measured.cold_start_ms / 1e3 * self.settings.memory_mb / 1024
        prices = self.prices
        return {
            "Lambda": prices.lambda_request.of(1) + prices.lambda_gb_second.of(cold),
            "Step Functions": prices.transition.of(self.idle_transitions),
        }

    @property
    def parts_of_chunk(self) -> float:
        """Parts of the multipart upload of a raw chunk."""
        return self._bytes(self.measured.raw_bytes) / self.chunks / self.settings.part_bytes

    @property
    def _part_bytes(self) -> float:
        """What one reader reads of a segment."""
        return self.table_bytes / self.segments / self.readers

    @property
    def _weight(self) -> float:
        """The table in items of the benchmark."""
        return max(self.items, self.table_bytes / self.measured.stored_bytes)

    def _bytes(self, per_item: float) -> float:
        """The whole table's bytes, from those of one of the benchmark's items."""
        return self.table_bytes / self.measured.stored_bytes * per_item

    def _cpu(self, microseconds: float) -> float:
        return self._weight * microseconds / 1e6 / self.assumed.processor

    def _transfer(self, per_item: float) -> float:
        return self._bytes(per_item) / self.assumed.s3_bytes_per_second

    def _upload_requests(self, size: float) -> int:
        """One request for a small object, otherwise one per part and two around them."""
        return 1 if size < self.settings.part_bytes else ceil(size / self.settings.part_bytes) + 2


def shares_of_limits(runs: Sequence[Run]) -> dict[str, float]:
    """The share of each limit that a run of these tables uses; `runs` has each table alone, of one deployment."""
    settings = runs[0].settings
    load = sum(run.load_seconds for run in runs)
    events = sum(run.events for run in runs) - (len(runs) - 1) * runs[0].idle_events
    functions = settings.functions_per_table * settings.tables
    return {
        f"time of the load, {settings.usable_seconds:.0f} s": load / settings.usable_seconds,
        f"events of an execution, {EVENTS:,}": events / EVENTS,
        "input of the load, 256 KiB": sum(run.payload_bytes for run in runs) / PAYLOAD_BYTES,
        f"parts of a chunk, {UPLOAD_PARTS:,}": max(run.parts_of_chunk for run in runs) / UPLOAD_PARTS,
        f"concurrent functions, {ACCOUNT_FUNCTIONS:,} per account": functions / ACCOUNT_FUNCTIONS,
    }
