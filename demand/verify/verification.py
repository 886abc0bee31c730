"""Compares the warehouse with the runs that loaded it, table by table."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from demand.errors import DemandError, from_aws
from demand.stack import Stack
from demand.verify.raw import RawChunk, chunks_of, raw_chunks, read_items, sample_items
from demand.verify.rows import Difference, ExpectedRow, cells_of, differences, key_of
from demand.verify.source import Digests, SinceThen, digest, identity, since_then, since_then_of
from demand.warehouse import Warehouse
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.contracts.operating.status import StatusAnswer, TableStatus
from demand_pipeline.dynamodb.typed_json import Item
from demand_pipeline.tables import Table

_SHOWN = 20  # differences of a table that are kept


@dataclass(frozen=True)
class TableVerification:
    """The comparison of a table. Real differences are `missing`, `different` and `surplus` rows (without an item).

    `rows` is the number of rows in the warehouse, `compared` the number of compared items, and `rejected` the number of
    rejects among the compared items. `since` are the later changes at the source; None if it could not be read, for
    `reason`.
    """

    table: str
    run: str | None
    rows: int | None
    compared: int
    rejected: int
    missing: int
    different: int
    surplus: int
    since: SinceThen | None
    reason: str
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the warehouse matches the items that the run read."""
        return not (self.missing or self.different or self.surplus)


@dataclass(frozen=True)
class Verification:
    """All tables; `sample` is the maximum number of items compared per table, None for all."""

    sample: int | None
    tables: tuple[TableVerification, ...]

    @property
    def is_equal(self) -> bool:
        """Whether no table has a real difference."""
        return all(table.is_equal for table in self.tables)


@dataclass(frozen=True)
class Comparison:
    """A comparison of whole tables, or of a `sample` of that size, which `draw` chooses."""

    stack: Stack
    warehouse: Warehouse
    sample: int | None
    draw: random.Random

    def verify(self, names: Iterable[str], tell: Callable[[str], None]) -> Verification:
        """Compare tables with the raw chunks of the runs that loaded them last, and the chunks with the source.

        Raises DemandError if a run commits during the comparison, or if its history or chunks have expired.
        """
        before = self._status()
        chunks: dict[str, dict[str, tuple[RawChunk, ...]]] = {}
        done = []
        for name in names:
            table = before[name]
            if table.arn is None:
                done.append(_never_loaded(table))
                continue
            if table.arn not in chunks:
                chunks[table.arn] = raw_chunks(self.stack, table.arn)
            tell(f"comparing {name} with run {table.run}")
            done.append(self._table(table, chunks_of(chunks[table.arn], table.arn, name)))
        for name, table in self._status().items():
            if (table.run, table.committed_at) != (before[name].run, before[name].committed_at):
                message = f"run {table.run} was committed during the comparison"
                raise DemandError("ChangedMeanwhile", message, "demand verify, when no run is active")
        return Verification(self.sample, tuple(done))

    def _status(self) -> dict[str, TableStatus]:
        answer = self.warehouse.ask(StatusAnswer, ActionName.STATUS, countRows=True)
        return {table.table: table for table in answer.tables}

    def _table(self, status: TableStatus, chunks: tuple[RawChunk, ...]) -> TableVerification:
        table, whole = TABLES[status.table], self.sample is None
        items = (
            read_items(self.stack, chunks)
            if self.sample is None
            else iter(sample_items(self.stack, chunks, self.sample, self.draw))
        )
        reading = _Reading(table)
        found: Counter[bool] = Counter()
        kept: list[Difference] = []
        for difference in differences(self.warehouse, table, reading.rows(items)):
            found[difference.missing] += 1
            kept += [difference] if len(kept) < _SHOWN else []
        rows, missing = status.rows or 0, found[True]
        # For rows outside of a sample, only their number is known: the number that the run wrote.
        accounted = reading.expected - missing if whole else status.loaded or 0
        since, reason = self._since(table, reading.digests)
        return TableVerification(
            table=table.name,
            run=status.run,
            rows=status.rows,
            compared=reading.items,
            rejected=reading.rejected,
            missing=max(missing, accounted - rows),
            different=found[False],
            surplus=max(0, rows - accounted),
            since=since,
            reason=reason,
            differences=tuple(kept),
        )

    def _since(self, table: Table, digests: Digests) -> tuple[SinceThen | None, str]:
        """Compare with the source; a missing permission for the source does not fail the whole comparison."""
        compare = since_then if self.sample is None else since_then_of
        try:
            return compare(self.stack, table, digests), ""
        except ClientError as error:
            described = from_aws(error)
            if described is None or described.kind != "AccessDenied":
                raise
            return None, described.message


def _never_loaded(status: TableStatus) -> TableVerification:
    return TableVerification(
        table=status.table,
        run=None,
        rows=status.rows,
        compared=0,
        rejected=0,
        missing=0,
        different=0,
        surplus=status.rows or 0,
        since=None,
        reason="no run has loaded it",
        differences=(),
    )


class _Reading:
    """Converts a run's items to the expected rows, and keeps digests to recognise the items."""

    def __init__(self, table: Table) -> None:
        from demand_pipeline.transform.rows import RowMaker  # noqa: PLC0415 - slow, which --help does not need

        self._table = table
        self._maker = RowMaker(table)
        self.items = self.rejected = self.expected = 0
        self.digests: Digests = {}

    def rows(self, items: Iterable[Item]) -> Iterator[ExpectedRow]:
        """Yield the rows that a load writes for these items."""
        from demand_pipeline.transform.rows import RejectError  # noqa: PLC0415 - the same

        for item in items:
            self.items += 1
            try:
                row = self._maker.make(item)
            except RejectError:
                self.rejected += 1
                continue
            finally:
                self.digests[identity(self._table, item)] = digest(item)
            self.expected += 1
            yield ExpectedRow(key_of(self._table, item), cells_of(row.line))
