"""Compares the rows of a table with the rows of its former partition, by key."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from demand_pipeline.contracts.operating.previous import ChangedColumn, ChangedRow, DiffAnswer
from demand_pipeline.errors import RollbackError
from demand_pipeline.load.swap.parent import is_missing
from demand_pipeline.load.swap.previous import comment_on
from demand_pipeline.load.swap.slots import rows_slot
from demand_pipeline.load.warehouse.schema import TableSchema
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, listed, literal, quote

statement = Statements(__package__)


def diff_table(connection: Connection, schema: str, table: TableSchema, samples: int) -> DiffAnswer:
    """Compare a table with its former partition; return the counts and at most `samples` keys of each kind.

    Only common columns are compared. Values are equal only if they are identical: 1.0 differs from 1.00.
    Raises RollbackError if there is no former partition.
    """
    slot = rows_slot(schema, table)
    if is_missing(connection, slot.previous):
        raise RollbackError(f"no previous rows of {table.name} are kept: {slot.previous} does not exist")
    columns = [
        str(name)
        for [name] in connection.query(statement("common_columns"), current=slot.parent, previous=slot.previous)
        if name not in table.key
    ]
    comparison = _Comparison(slot.parent, slot.previous, table.key, tuple(columns))
    [[added, removed, changed, by_column]] = connection.query(comparison.counts())
    counts = [ChangedColumn(*pair) for pair in zip(columns, by_column or [], strict=True) if pair[1]]
    return DiffAnswer(
        table=table.name,
        previous=comment_on(connection, slot.previous) or "",
        added=added,
        removed=removed,
        changed=changed,
        columns=tuple(counts),
        added_keys=tuple(key for key, _ in comparison.sample(connection, "current", comparison.added, added, samples)),
        removed_keys=tuple(
            key for key, _ in comparison.sample(connection, "previous", comparison.removed, removed, samples)
        ),
        changed_rows=tuple(
            ChangedRow(key, tuple(names))
            for key, names in comparison.sample(connection, "current", comparison.changed, changed, samples)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The parts of statements that compare two tables."""

    current: Sql
    previous: Sql
    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def added(self) -> Sql:
        return Sql(f"previous.{quote(self.key[0])} IS NULL")

    @property
    def removed(self) -> Sql:
        return Sql(f"current.{quote(self.key[0])} IS NULL")

    @property
    def changed(self) -> Sql:
        current, previous = (
            listed([Sql(f"{table}.{quote(name)}") for name in self.columns]) for table in ("current", "previous")
        )
        return Sql(f"{self._in_both} AND ROW({current})::record *<> ROW({previous})::record")

    @property
    def _in_both(self) -> Sql:
        return Sql(f"current.{quote(self.key[0])} IS NOT NULL AND previous.{quote(self.key[0])} IS NOT NULL")

    @property
    def _tables(self) -> dict[str, Sql]:
        same = [Sql(f"current.{quote(name)} = previous.{quote(name)}") for name in self.key]
        return {"current": self.current, "previous": self.previous, "is_same_key": listed(same, " AND ")}

    def _differs(self, name: str) -> Sql:
        return Sql(f"ROW(current.{quote(name)})::record *<> ROW(previous.{quote(name)})::record")

    def counts(self) -> Sql:
        """Return the statement that counts the differences."""
        by_column = [Sql(f"count(*) FILTER (WHERE {self._in_both} AND {self._differs(name)})") for name in self.columns]
        conditions = {"was_added": self.added, "was_removed": self.removed, "was_changed": self.changed}
        return statement("count_differences", changed_columns=listed(by_column), **conditions, **self._tables)

    def sample(self, connection: Connection, side: str, wanted: Sql, count: int, samples: int) -> Iterator[list[Any]]:
        """Yield key and changed columns of a few counted rows; the query ends as soon as it has found them."""
        if not count:
            return
        literals = [Sql(f"CASE WHEN {self._differs(name)} THEN {literal(name)} END") for name in self.columns]
        sample = statement(
            "sample_differences",
            key=listed([Sql(f"{side}.{quote(name)}") for name in self.key]),
            names=listed(literals),
            is_wanted=wanted,
            **self._tables,
        )
        yield from connection.query(sample, samples=min(samples, count))
