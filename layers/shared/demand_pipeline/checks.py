"""What must hold before a load is committed."""

from dataclasses import dataclass
from typing import Self

from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DeadlineError, ReconciliationError, RejectLimitError, ShrinkLimitError
from demand_pipeline.events import StagedTable


@dataclass(frozen=True, slots=True)
class Totals:
    """A table's chunks added up."""

    scanned: int
    staged: int
    rejected: int
    sanitized: int
    read_units: float
    bytes: int

    @classmethod
    def of(cls, table: StagedTable) -> Self:
        """Add up the chunks."""
        return cls(*[sum(getattr(chunk, name) for chunk in table.chunks) for name in cls.__slots__])


def check_counts(table: StagedTable) -> None:
    """Every item scanned is staged or rejected, chunk by chunk; raises ReconciliationError."""
    for chunk in table.chunks:
        if chunk.scanned != chunk.staged + chunk.rejected:
            raise ReconciliationError(
                f"{table.table.name}: {chunk.key} has {chunk.scanned} items scanned, but {chunk.staged} staged and "
                f"{chunk.rejected} rejected"
            )


def check_rejects(table: StagedTable, limit: float) -> None:
    """At most `limit` percent of the items are rejected; raises RejectLimitError."""
    total = Totals.of(table)
    if total.rejected * 100 > limit * total.scanned:
        raise RejectLimitError(
            f"{table.table.name}: {total.rejected} of {total.scanned} items rejected, "
            f"{total.rejected / total.scanned:.2%}, and MaxRejectPercent (run input: maxRejectPercent) is {limit:g}; "
            "the reasons are under rejects/ in the staging bucket"
        )


def check_shrinkage(table: StagedTable, previous: int, limit: float) -> None:
    """The table loses at most `limit` percent of its rows; raises ShrinkLimitError."""
    staged = Totals.of(table).staged
    lost = previous - staged
    if lost * 100 > limit * previous:
        raise ShrinkLimitError(
            f"{table.table.name}: {staged} rows staged, {previous} in the table, {lost / previous:.2%} fewer, "
            f"and MaxShrinkPercent (run input: maxShrinkPercent) is {limit:g}"
        )


def check_rows(table: StagedTable, rows: int, where: str) -> None:
    """As many rows as were staged; raises ReconciliationError."""
    staged = Totals.of(table).staged
    if rows != staged:
        raise ReconciliationError(f"{table.table.name}: {staged} rows staged, but {rows} {where}")


def check_time(deadline: Deadline, doing: str) -> None:
    """There is time left; raises DeadlineError."""
    if deadline.seconds_left() <= 0:
        raise DeadlineError(f"out of time {doing}; raise the Timeout of LoadWarehouse, or load fewer tables a run")
