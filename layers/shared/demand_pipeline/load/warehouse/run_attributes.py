"""The table `pipeline_run_attributes`: the attributes that each run counted, for comparisons with the next run."""

from collections.abc import Iterable

from demand_pipeline.contracts.loading import AttributeChange
from demand_pipeline.load.drift import Counts, compare
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements
from demand_pipeline.tables import Table
from demand_pipeline.transform.drift import MAX_ATTRIBUTES

statement = Statements(__package__)


def record_attributes(connection: Connection, schema: str, run: str, ledger: Sql) -> None:
    """Record the sums of the counts of all chunks in the ledger."""
    insert = statement("insert_run_attributes", schema=schema, ledger=ledger)
    connection.execute(insert, run=run, most=MAX_ATTRIBUTES)


def find_changes(connection: Connection, schema: str, run: str, tables: Iterable[Table]) -> tuple[AttributeChange, ...]:
    """Compare a recorded run's tables with their previous runs; a table without a previous run has no changes."""
    found: list[AttributeChange] = []
    for table in tables:
        if before := find_before(connection, schema, run, table):
            found += compare(table, *(read_attributes(connection, schema, each, table) for each in (before, run)))
    return tuple(found)


def find_before(connection: Connection, schema: str, run: str, table: Table) -> str | None:
    """Return the run to compare a recorded run with, for a table: the last run before it that counted drift."""
    before = connection.query(statement("run_before", schema=schema), run=run, table=table.name)
    return str(before[0][0]) if before else None


def read_attributes(connection: Connection, schema: str, run: str, table: Table) -> Counts:
    """Return a run's counts of a table; empty if it did not count drift."""
    counts: dict[str, dict[str, int]] = {}
    for path, kind, items in connection.query(statement("run_attributes", schema=schema), run=run, table=table.name):
        counts.setdefault(path, {})[kind] = int(items)
    return counts
