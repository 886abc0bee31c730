"""The receipt of a run that succeeded: per table scanned = staged + rejected, and what was loaded."""

import json
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from demand.errors import is_denied
from demand.runs.cost import Cost
from demand.runs.report import Report, Step
from demand.runs.shrinkage import shrunk_tables
from demand.runs.state import InWarehouse
from demand.stack import Stack
from demand_pipeline.errors import RejectLimitError
from demand_pipeline.transform.reason import Reason

_OBJECTS = 200  # of rejects that are read for their reasons
_AT_ONCE = 8
_TOO_MANY = RejectLimitError.__name__


@dataclass(frozen=True)
class TableReceipt:
    """One table. `rows_after` is its number of rows after the run; after a dry run, it is the number before."""

    table: str
    segments: int
    chunks: int
    scanned: int
    staged: int
    rejected: int
    sanitized: int
    loaded: int
    previous_rows: int
    rows_after: int
    read_units: float
    load_seconds: float
    balanced: bool


@dataclass(frozen=True)
class ReasonCount:
    """A reason for rejects, without the value found."""

    table: str
    reason: str
    items: int


@dataclass(frozen=True)
class Receipt:
    """A run that succeeded. `committed` is the result of its load, unless the warehouse shows a different state.

    `reasons_complete` is false if not all rejects were read: too many objects, or no permission. `shrunk` contains a
    sentence about each table that lost many rows, `schema_changes` one about each created table and added column.
    `warnings` lists failures after the commit, such as a table of the run that could not be dropped.
    """

    run: str
    arn: str
    status: str
    committed: bool
    dry_run: bool
    warehouse: InWarehouse
    seconds: float
    redrives: int
    tables: tuple[TableReceipt, ...]
    rejected: int
    reasons: tuple[ReasonCount, ...]
    reasons_complete: bool
    longest_step: Step | None
    cost: Cost
    shrunk: tuple[str, ...]
    schema_changes: tuple[str, ...]
    warnings: tuple[str, ...]


def receipt(stack: Stack, report: Report, warehouse: InWarehouse) -> Receipt:
    """Return the receipt, with the rejects' reasons from at most 200 objects in S3."""
    run = report.run
    reasons, complete = _reasons(stack, report)
    return Receipt(
        run=run.name,
        arn=run.arn,
        status=run.status,
        committed=bool(run.committed if warehouse.is_committed is None else warehouse.is_committed),
        dry_run=run.committed is False,
        warehouse=warehouse,
        seconds=run.seconds(run.stopped or run.started),
        redrives=run.redrives,
        tables=tuple(_table(counts, committed=bool(run.committed)) for counts in run.tables),
        rejected=sum(int(counts["rejected"]) for counts in run.tables),
        reasons=reasons,
        reasons_complete=complete,
        longest_step=report.slowest[0] if report.slowest else None,
        cost=report.cost,
        shrunk=shrunk_tables(run.tables),
        schema_changes=tuple((run.output or {}).get("schemaChanges", ())),
        warnings=tuple((run.output or {}).get("warnings", ())),
    )


def reasons_of_failure(stack: Stack, report: Report) -> tuple[tuple[ReasonCount, ...], bool]:
    """Return the rejects' reasons of a run that failed because of them, and whether all its rejects were read."""
    if _TOO_MANY not in [failure.error for failure in report.failures]:
        return (), True
    return _reasons(stack, report)


def _table(counts: Mapping[str, Any], *, committed: bool) -> TableReceipt:
    scanned, staged, rejected, loaded = (int(counts[name]) for name in ("scanned", "staged", "rejected", "loaded"))
    previous = int(counts["previousRows"])
    return TableReceipt(
        table=str(counts["table"]),
        segments=int(counts["segments"]),
        chunks=int(counts["chunks"]),
        scanned=scanned,
        staged=staged,
        rejected=rejected,
        sanitized=int(counts["sanitized"]),
        loaded=loaded,
        previous_rows=previous,
        rows_after=loaded if committed else previous,
        read_units=float(counts["readUnits"]),
        load_seconds=float(counts["loadSeconds"]),
        balanced=scanned == staged + rejected and staged == loaded,
    )


def _reasons(stack: Stack, report: Report) -> tuple[tuple[ReasonCount, ...], bool]:
    """Return the rejects' reasons by table, then by count, and whether all rejects were read.

    Rejects are whole items: a user who may look at runs may still lack the permission to read them.
    """
    from demand_pipeline.s3.staging import Staging, rejects_key  # noqa: PLC0415 - slow, and most runs have no rejects

    keys = report.staged_with_rejects
    staging = Staging(stack.staging_bucket, stack.client("s3"))

    def count(key: str) -> Counter[tuple[str, str]]:
        table = key.split("/")[4]
        return Counter((table, Reason.read(json.loads(line)).kind) for line in staging.lines(rejects_key(key)))

    try:
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            total = sum(pool.map(count, keys[:_OBJECTS]), Counter[tuple[str, str]]())
    except ClientError as error:
        if not is_denied(error):
            raise
        return (), False
    order = sorted(total, key=lambda reason: (reason[0], -total[reason], reason[1]))
    return tuple(ReasonCount(table, reason, total[table, reason]) for table, reason in order), len(keys) <= _OBJECTS
