"""The checks before a load is committed."""

from demand_pipeline.contracts.loading import StagedTable
from demand_pipeline.errors import (
    ReconciliationError,
    RejectLimitError,
    ShrinkLimitError,
)

ANY_SHRINKAGE = 100
"""The limit, in percent, that a table cannot exceed."""


def check_counts(table: StagedTable) -> None:
    """Check that every scanned item of each chunk is staged or rejected; raises ReconciliationError."""
    for chunk in table.chunks:
        if chunk.scanned != chunk.staged + chunk.rejected:
            raise ReconciliationError(
                f"{table.table.name}: of {chunk.scanned} scanned items of {chunk.key}, {chunk.staged} were staged and "
                f"{chunk.rejected} rejected"
            )


def check_rejects(table: StagedTable, limit: float) -> None:
    """Check that at most `limit` percent of the items are rejected; raises RejectLimitError."""
    rejected = table.rejected
    if rejected * 100 > limit * table.scanned:
        raise RejectLimitError(
            f"{table.table.name}: {rejected} of {table.scanned} items rejected, "
            f"{rejected / table.scanned:.2%}, and MaxRejectPercent (run input: maxRejectPercent) is {limit:g}; "
            "the reasons are under rejects/ in the staging bucket"
        )


def check_shrinkage(table: StagedTable, previous: int, limit: float) -> None:
    """Check that the table loses at most `limit` percent of its rows; raises ShrinkLimitError."""
    lost = previous - table.staged
    if lost * 100 > limit * previous:
        raise ShrinkLimitError(
            f"{table.table.name}: {table.staged} rows staged, {previous} in the table, {lost / previous:.2%} fewer, "
            f"and MaxShrinkPercent (run input: maxShrinkPercent) is {limit:g}"
        )


def check_rows(table: str, staged: int, rows: int, where: str) -> None:
    """Check that there are as many rows as were staged; raises ReconciliationError."""
    if rows != staged:
        raise ReconciliationError(f"{table}: {staged} rows staged, but {rows} {where}")
