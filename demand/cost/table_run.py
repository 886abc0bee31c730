"""One table in a run: its segments and chunks, reads and duration."""

import json
from dataclasses import dataclass, field
from math import ceil

from demand.cost.measured import Measured
from demand.cost.prices import PRICES, Prices
from demand.cost.settings import Assumptions, Settings
from demand_pipeline.contracts.loading import Strategy

UNIT_BYTES = 8192  # DynamoDB: an eventually consistent read unit is two times 4 KB
_PAGE_BYTES = 1 << 20  # DynamoDB: a page ends at 1 MB of items
TASK, GROUP, OTHER, AROUND = 5, 4, 2, 2  # Step Functions: events of a state, and of an execution or iteration
_GB = 2**30


@dataclass(frozen=True)
class TableRun:
    """A full refresh of one table, without retries.

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
        """Concurrent readers of a segment; a limit on read units needs a single reader."""
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
        return self.segments * self.readers * max(1, ceil(self._part_bytes / (UNIT_BYTES / 2))) / 2

    @property
    def reading_seconds(self) -> float:
        """Seconds that all scans wait for DynamoDB: for single pages, or because of the table's limit."""
        limits = self.assumed
        partitions = max(1, ceil(self.table_bytes / limits.partition_bytes))
        rate = min(limits.table_units_per_second, partitions * limits.partition_units_per_second)
        if self.settings.read_units_per_second > 0:
            rate = min(rate, self.settings.read_units_per_second)
        pages = self.read_units / limits.page_units
        return max(pages * limits.page_seconds, self._at_once * self.read_units / rate)

    @property
    def scan_seconds(self) -> float:
        """Seconds of all invocations of the scan function, which reads, works and sends in turn."""
        return self.reading_seconds + self._cpu(self.measured.scan_us) + self._transfer(self.measured.raw_bytes)

    @property
    def transform_seconds(self) -> float:
        """Seconds of all invocations of the transform function."""
        sizes = self.measured.raw_bytes + self.measured.staged_bytes
        return self._cpu(self.measured.transform_us) + self._transfer(sizes)

    @property
    def copy_seconds(self) -> float:
        """Seconds of copying all chunks into the shadow one after the other, mostly in PostgreSQL."""
        return self._weight * self.measured.copy_us / 1e6

    @property
    def publish_seconds(self) -> float:
        """Seconds from the last chunk to the commit: to replace the rows, or to build a swap's indexes."""
        us = {
            Strategy.TRUNCATE: self.measured.truncate_us,
            Strategy.MERGE: self.measured.merge_us,
            Strategy.SWAP: self.measured.swap_us,
        }
        return self._weight * us[self.settings.load_strategy] / 1e6

    @property
    def disk_bytes(self) -> float:
        """The maximum size of the table on PostgreSQL's disk, without WAL, during a load that changes few rows.

        A shadow of `truncate` or `merge` has no indexes. What TRUNCATE empties is on the disk until the commit; what a
        swap replaced before, until the next one has built its indexes.
        """
        heap, whole = (self._weight * size for size in (self.measured.heap_bytes, self._row_bytes))
        match self.settings.load_strategy:
            case Strategy.TRUNCATE:
                return whole + heap + whole
            case Strategy.MERGE:
                return whole + heap
            case Strategy.SWAP:
                return (3 if self.settings.keep_previous else 2) * whole

    @property
    def staging_seconds(self) -> float:
        """Seconds until all rows are staged; segments work in parallel."""
        return (self.scan_seconds + self.transform_seconds) / self._at_once

    @property
    def response_bytes(self) -> float:
        """Bytes of all pages."""
        return self._bytes(self.measured.response_bytes)

    @property
    def branch_transitions(self) -> int:
        """States entered in the table's branch: 3 before the chunks, 3 per chunk, 1 at a segment's end."""
        return 3 + self.segments + 3 * self.chunks

    @property
    def branch_events(self) -> int:
        """Events of the table's branch."""
        before = OTHER + TASK + GROUP  # Select, Describe, the Map
        return before + self.segments * (AROUND + OTHER) + self.chunks * (2 * TASK + OTHER)

    @property
    def payload_bytes(self) -> int:
        """Approximate bytes that the table adds to the load's input, which lists the chunks."""
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
        """Gigabytes that the run leaves in S3."""
        return self._bytes(self.measured.raw_bytes + self.measured.staged_bytes) / _GB

    @property
    def parts_of_chunk(self) -> float:
        """Parts of the multipart upload of a raw chunk."""
        return self._bytes(self.measured.raw_bytes) / self.chunks / self.settings.part_bytes

    @property
    def _row_bytes(self) -> float:
        return self.measured.heap_bytes + self.measured.index_bytes

    @property
    def _at_once(self) -> int:
        """Segments that run at the same time."""
        return min(self.segments, self.settings.functions_at_once)

    @property
    def _part_bytes(self) -> float:
        """Bytes of a segment that one reader reads."""
        return self.table_bytes / self.segments / self.readers

    @property
    def _weight(self) -> float:
        """The table's size in items of the benchmark."""
        return max(self.items, self.table_bytes / self.measured.stored_bytes)

    def _bytes(self, per_item: float) -> float:
        """Scale the bytes of one of the benchmark's items to the whole table."""
        return self.table_bytes / self.measured.stored_bytes * per_item

    def _cpu(self, microseconds: float) -> float:
        return self._weight * microseconds / 1e6 / self.assumed.processor

    def _transfer(self, per_item: float) -> float:
        return self._bytes(per_item) / self.assumed.s3_bytes_per_second

    def _upload_requests(self, size: float) -> int:
        """One request for a small object, otherwise one per part and two around them."""
        return 1 if size < self.settings.part_bytes else ceil(size / self.settings.part_bytes) + 2
