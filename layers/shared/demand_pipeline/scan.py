"""Read one chunk of a segment: pages as DynamoDB sends them, streamed to S3."""

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from demand_pipeline import aws
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import TransientError
from demand_pipeline.events import ScanRequest, ScanResult
from demand_pipeline.observability import count, logger
from demand_pipeline.staging import Stage, Staging, chunk_key
from demand_pipeline.wire import Item, PageSummary, summarize_page, summarize_whole_page


@dataclass(slots=True)
class Pace:
    """Keeps a segment within its share of read units: sleeps off what was read ahead of time."""

    units_per_second: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _free_at: float = 0.0

    def seconds(self, units: float) -> float:
        """How long it takes to earn read units; no limit, no time."""
        return units / self.units_per_second if self.units_per_second > 0 else 0.0

    def spend(self, units: float) -> None:
        """Account for a page's read units and wait until they have been earned; no limit, no wait."""
        if self.units_per_second <= 0:
            return
        now = self.clock()
        self._free_at = max(self._free_at, now) + self.seconds(units)
        self.sleep(self._free_at - now)


def scan_segment(request: ScanRequest, staging: Staging, deadline: Deadline) -> ScanResult:
    """Write one raw chunk: it ends with the segment, at `chunk_bytes`, at `max_items` or before the deadline.

    At least one page is read, so that every chunk moves the segment on. Raises `TransientError` or
    the AWS error, by its name.
    """
    pages = RawPages(request)
    pace = Pace(request.read_units_per_second)
    key = chunk_key(request.run, Stage.RAW, request.table.name, request.segment, request.chunk)
    items, size, read, units, start = 0, 0, 0, 0.0, request.start_key
    with staging.create(key) as stream:
        while True:
            left = None if request.max_items is None else request.max_items - items
            page = pages.read(start, left)
            summary = _summary(page, request)
            stream.write(_one_line(page.body))
            start = summary.next_key
            items, size, read, units = (
                items + summary.items,
                size + len(page.body),
                read + 1,
                units + summary.read_units,
            )
            capped = request.max_items is not None and items >= request.max_items
            if start is None or capped:
                start = None
                break
            pace.spend(summary.read_units)
            # Another page like this one must be earned before the deadline, or its wait would outlast the function.
            if size >= request.chunk_bytes or deadline.seconds_left() <= pace.seconds(summary.read_units):
                break
    count(request.table.name, ItemsScanned=items, ReadUnits=units)
    logger.info("segment scanned", chunk=request.chunk, items=items, pages=read, bytes=size, more=start is not None)
    return ScanResult(key=key, items=items, pages=read, bytes=size, read_units=units, next_key=start)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of Scan; `checked` if it came with a checksum, which was right then."""

    body: bytes
    checked: bool


class RawPages:
    """Scan's answers as bytes: botocore checks and retries them, but does not parse the items."""

    def __init__(self, request: ScanRequest) -> None:
        self._client = aws.client("dynamodb")
        self._client.meta.events.register("before-parse.dynamodb.Scan", _keep_body)
        self._arguments = {
            "TableName": request.source,
            "Segment": request.segment,
            "TotalSegments": request.total_segments,
            "ReturnConsumedCapacity": "TOTAL",
        }

    def read(self, start: Item | None, limit: int | None) -> Page:
        """One page from `start` on, of at most `limit` items."""
        arguments: dict[str, Any] = dict(self._arguments)
        if start is not None:
            # Keys are strings and numbers here, which boto3 spells as the wire does.
            arguments["ExclusiveStartKey"] = start
        if limit is not None:
            arguments["Limit"] = limit
        with aws.failures_named(f"scanning {arguments['TableName']}"):
            answer = self._client.scan(**arguments)
        body: bytes = answer[_RAW_PAGE]
        checksum = answer["ResponseMetadata"]["HTTPHeaders"].get(_CHECKSUM)
        # boto3 tries a damaged page again, but at last it takes what it got.
        if checksum is not None and int(checksum) != zlib.crc32(body):
            raise TransientError(f"scanning {arguments['TableName']}: a page does not match its checksum")
        return Page(body, checked=checksum is not None)


_RAW_PAGE = "RawPage"
_CHECKSUM = "x-amz-crc32"
_OK = 200


def _keep_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Serve botocore's `before-parse` event: what lands in the customized dict is merged into the answer.

    Error bodies must reach the parser, or no error would be raised.
    """
    if response_dict["status_code"] == _OK:
        customized_response_dict[_RAW_PAGE] = response_dict["body"]
        response_dict["body"] = b"{}"


def _summary(page: Page, request: ScanRequest) -> PageSummary:
    try:
        return summarize_whole_page(page.body) if page.checked else summarize_page(page.body)
    except (ValueError, RecursionError) as error:
        # What was checked by no checksum may be cut off; the error may quote an item, so that only its kind is told.
        raise TransientError(
            f"scanning {request.source}: expected a Scan response, got {type(error).__name__}"
        ) from None


def _one_line(page: bytes) -> bytes:
    """A page as one line: between JSON's tokens a line break is mere white space, inside strings it is escaped."""
    return page.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
