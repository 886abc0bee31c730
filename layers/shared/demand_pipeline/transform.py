"""Convert one raw chunk into a staged chunk, with its rejects beside it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO

from demand_pipeline.conversion.rows import RejectError, RowMaker
from demand_pipeline.errors import ReconciliationError, StagingError
from demand_pipeline.events import TransformRequest, TransformResult
from demand_pipeline.observability import count, logger
from demand_pipeline.staging import Stage, Staging, chunk_key, rejects_key
from demand_pipeline.tables import Table
from demand_pipeline.wire import Item, iterate_items


def transform_chunk(request: TransformRequest, staging: Staging) -> TransformResult:
    """Every item of the chunk becomes a staged row or a reject, and is counted.

    Raises `StagingError` if the raw chunk is missing or damaged, `ReconciliationError` if it does not
    hold the items that the scan counted, `TransientError` where a fresh attempt may succeed.
    """
    maker = RowMaker(request.table)
    key = chunk_key(request.run, Stage.STAGED, request.table.name, request.segment, request.chunk)
    staged = rejected = sanitized = 0
    with ExitStack() as stack:
        rows = stack.enter_context(staging.create(key))
        rejects: BinaryIO | None = None
        for item in _items(staging, request.key):
            try:
                row = maker.make(item)
            except RejectError as reason:
                rejects = rejects or stack.enter_context(staging.create(rejects_key(key)))
                rejects.write(_reject_line(request.table, item, str(reason)))
                rejected += 1
            else:
                rows.write(row.line)
                staged += 1
                sanitized += row.sanitized
        if staged + rejected != request.items:
            raise ReconciliationError(
                f"{request.key}: expected {request.items} items as the scan counted, got {staged + rejected}"
            )
    count(request.table.name, ItemsStaged=staged, ItemsRejected=rejected, ItemsSanitized=sanitized)
    logger.info("chunk transformed", chunk=request.chunk, staged=staged, rejected=rejected, sanitized=sanitized)
    return TransformResult(key=key, scanned=staged + rejected, staged=staged, rejected=rejected, sanitized=sanitized)


def _items(staging: Staging, key: str) -> Iterator[Item]:
    for page in staging.lines(key):
        try:
            yield from iterate_items(page)
        except ValueError as error:
            raise StagingError(f"{key}: expected a Scan response a line, got {error}") from error


def _reject_line(table: Table, item: Item, reason: str) -> bytes:
    """A reject as a line of JSON: key, reason, and the item whole, in DynamoDB's JSON."""
    key = {column.source: item[column.source] for column in table.key if column.source in item}
    return json.dumps({"key": key, "reason": reason, "item": item}).encode() + b"\n"
