"""Reads one chunk of a segment: streams DynamoDB's pages to S3 unchanged."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from demand_pipeline.contracts.scanning import Keys, ScanRequest, ScanResult
from demand_pipeline.deadline import Deadline
from demand_pipeline.dynamodb.raw_pages import Page, RawPages
from demand_pipeline.dynamodb.typed_json import Item, PageSummary
from demand_pipeline.errors import SourceMismatchError
from demand_pipeline.observability import emit_metrics, logger
from demand_pipeline.s3 import gzip_format
from demand_pipeline.s3.staging import ChunkKind, Staging, chunk_key

# DynamoDB needs longer to send a page than the function to write it, so two halves of a segment are read concurrently.
READERS = 2


@dataclass(slots=True)
class RateLimiter:
    """Keeps a segment within its share of read units: sleeps after each page that exceeds the share."""

    units_per_second: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _free_at: float = 0.0

    def seconds(self, units: float) -> float:
        """Return the seconds that a number of read units takes at the limit; zero without a limit."""
        return units / self.units_per_second if self.units_per_second > 0 else 0.0

    def spend(self, units: float) -> None:
        """Account for a page's read units and wait for their time; without a limit, do not wait."""
        if self.units_per_second <= 0:
            return
        now = self.clock()
        self._free_at = max(self._free_at, now) + self.seconds(units)
        self.sleep(self._free_at - now)


def scan_segment(request: ScanRequest, staging: Staging, deadline: Deadline) -> ScanResult:
    """Write one raw chunk, which ends at the segment's end, `chunk_bytes`, `max_items` or the deadline.

    At least one page of each half is read, so that every chunk makes progress. Raises `SourceMismatchError`,
    `TransientError` or the error of AWS.
    """
    if request.source_key is not None and (problem := request.table.key_problem(request.source_key)):
        raise SourceMismatchError(f"{request.source}: {problem}")
    key = chunk_key(request.run, ChunkKind.RAW, request.table.name, request.segment, request.chunk)
    with staging.create(key) as stream, ThreadPoolExecutor(READERS) as pool:
        chunk = _Chunk(request, deadline, pool)
        for page in chunk.pages():
            stream.write(_one_line(page))
    emit_metrics(request.table.name, ItemsScanned=chunk.items, ReadUnits=chunk.units)
    counts: dict[str, Any] = {"items": chunk.items, "pages": chunk.read, "bytes": chunk.size}
    logger.info("segment scanned", chunk=request.chunk, more=bool(chunk.left), gzip=gzip_format.NAME, **counts)
    return ScanResult(key=key, read_units=chunk.units, next_keys=dict(sorted(chunk.left.items())) or None, **counts)


def _start_keys(request: ScanRequest) -> Keys:
    """Return where the chunk begins. A limit on read units or items allows only one reader, to be exact."""
    if request.start_keys is not None:
        return request.start_keys
    readers = 1 if request.read_units_per_second > 0 or request.max_items is not None else READERS
    total = request.total_segments * readers
    return {f"{request.segment * readers + reader}/{total}": None for reader in range(readers)}


@dataclass
class _Chunk:
    """The state of a chunk: its counts so far, the running reads, and the keys `left` to the next chunk."""

    request: ScanRequest
    deadline: Deadline
    pool: ThreadPoolExecutor
    items: int = 0
    read: int = 0
    size: int = 0
    units: float = 0.0
    left: Keys = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._source = RawPages(self.request.source, self.deadline)
        self._limiter = RateLimiter(self.request.read_units_per_second)
        self._reading: dict[Future[Page], str] = {}

    def pages(self) -> Iterator[bytes]:
        """Yield pages as they arrive; while the caller writes a page, the next page of its half is being read."""
        for segment, key in _start_keys(self.request).items():
            self._read_on(segment, key)
        while self._reading:
            for future in wait(self._reading, return_when=FIRST_COMPLETED).done:
                segment = self._reading.pop(future)
                page = future.result()
                summary = page.summarize()
                self._count(page, summary)
                if summary.next_key is not None and self._items_left() != 0:
                    if self._is_full(summary):
                        self.left[segment] = summary.next_key
                    else:
                        self._read_on(segment, summary.next_key)
                yield page.body

    def _read_on(self, segment: str, key: Item | None) -> None:
        self._reading[self.pool.submit(self._source.read, segment, key, self._items_left())] = segment

    def _count(self, page: Page, summary: PageSummary) -> None:
        self.items += summary.items
        self.read += 1
        self.size += len(page.body)
        self.units += summary.read_units

    def _items_left(self) -> int | None:
        limit = self.request.max_items
        return None if limit is None else max(0, limit - self.items)

    def _is_full(self, last: PageSummary) -> bool:
        """Whether the chunk has reached its size, or has no time for another page at the limit of read units."""
        self._limiter.spend(last.read_units)
        another = self._limiter.seconds(last.read_units)
        return self.size >= self.request.chunk_bytes or self.deadline.seconds_left() <= another


def _one_line(page: bytes) -> bytes:
    """Return a page as one line: between JSON's tokens a line break is only white space, in strings it is escaped."""
    return page.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
