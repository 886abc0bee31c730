"""Converts one raw chunk to a staged chunk, an object of drift counts and, if there are any, an object of rejects."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

from demand_pipeline.contracts.transforming import TransformRequest, TransformResult
from demand_pipeline.deadline import Deadline
from demand_pipeline.dynamodb.typed_json import Item, iterate_items
from demand_pipeline.errors import ReconciliationError, StagingError
from demand_pipeline.observability import emit_metrics, logger
from demand_pipeline.s3.staging import ChunkKind, Staging, chunk_key, drift_key, rejects_key
from demand_pipeline.tables import Table
from demand_pipeline.transform.jsonb import item_to_json
from demand_pipeline.transform.reason import Reason
from demand_pipeline.transform.rows import RejectError, RowMaker


def transform_chunk(request: TransformRequest, staging: Staging, deadline: Deadline) -> TransformResult:
    """Convert every item from `page` on to a staged row or a reject, and count it.

    The conversion ends with the chunk, or at the end of a page before the deadline; at least one page is converted,
    so that every call makes progress. Raises `StagingError` if the raw chunk is missing or damaged,
    `ReconciliationError` if the number of items differs from the scan's count, `TransientError` if a
    fresh attempt may succeed.
    """
    key = chunk_key(request.run, ChunkKind.STAGED, request.table.name, request.segment, request.chunk)
    next_page = None
    with ExitStack() as stack:
        output = _Output(request.table, staging, key, stack)
        for number, page in enumerate(staging.lines(request.key)):
            if number > request.page and deadline.seconds_left() <= 0:
                next_page = number
                break
            if number >= request.page:
                output.convert(page, request.key)
        _check_items(request, output.scanned, complete=next_page is None)
        output.write_drift()
    counts: dict[str, Any] = {"staged": output.staged, "rejected": output.rejected, "sanitized": output.sanitized}
    emit_metrics(request.table.name, **{f"Items{name.title()}": value for name, value in counts.items()})
    logger.info("chunk transformed", chunk=request.chunk, page=request.page, next_page=next_page, **counts)
    return TransformResult(key=key, scanned=output.scanned, next_page=next_page, **counts)


def _check_items(request: TransformRequest, found: int, *, complete: bool) -> None:
    if found > request.items or (complete and found < request.items):
        raise ReconciliationError(
            f"{request.key}: expected {request.items} items from page {request.page} on, the scan's count, got {found}"
        )


@dataclass
class _Output:
    """The staged object, the object of rejects once there are any, and the counts of both."""

    table: Table
    staging: Staging
    key: str
    stack: ExitStack
    staged: int = 0
    rejected: int = 0
    sanitized: int = 0

    def __post_init__(self) -> None:
        self._maker = RowMaker(self.table)
        self._rows = self.stack.enter_context(self.staging.create(self.key, self.table))
        self._rejects: BinaryIO | None = None

    @property
    def scanned(self) -> int:
        return self.staged + self.rejected

    def convert(self, page: bytes, source: str) -> None:
        """Write a page's rows and rejects; raises StagingError if they are not DynamoDB's JSON."""
        # U+0000 and half a surrogate pair, which PostgreSQL cannot store, appear only as `\u` escapes.
        make_line = self._storable_line if b"\\u" in page else self._maker.line
        drift = self._maker.drift
        lines: list[str] = []
        try:
            for item in iterate_items(page):
                if drift.absent:
                    drift.look(item)
                try:
                    lines.append(make_line(item))
                except RejectError as error:
                    self._reject(item, error.reason)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            # The error may quote an item, so only its class is shown.
            raise StagingError(
                f"{source}: a line is not a Scan response with items in DynamoDB's JSON ({type(error).__name__})"
            ) from None
        self._rows.write("".join(lines).encode())
        self.staged += len(lines)

    def write_drift(self) -> None:
        """Write the drift counts of all items."""
        with self.staging.create(drift_key(self.key)) as stream:
            for count in self._maker.drift.result(self.scanned):
                stream.write(json.dumps(count).encode() + b"\n")

    def _storable_line(self, item: Item) -> str:
        line, sanitized = self._maker.make(item)
        self.sanitized += sanitized
        return line

    def _reject(self, item: Item, reason: Reason) -> None:
        item_to_json(item)  # raises ValueError now, not in the load, if an item is not DynamoDB's JSON
        key = {column.attribute: item[column.attribute] for column in self.table.key if column.attribute in item}
        line = json.dumps({"key": key, "reason": str(reason), **reason._asdict(), "item": item}).encode() + b"\n"
        if self._rejects is None:
            self._rejects = self.stack.enter_context(self.staging.create(rejects_key(self.key)))
        self._rejects.write(line)
        self.rejected += 1
