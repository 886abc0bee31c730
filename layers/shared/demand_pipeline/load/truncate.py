"""The load strategy `truncate`: empty the tables and fill them again from the temporary ones.

Readers are locked out from the first of these statements to the commit, and no longer: everything
was staged and checked before. PostgreSQL: a reader whose snapshot is older sees the tables empty
afterwards, since TRUNCATE is not MVCC-safe; in READ COMMITTED, each statement has a new snapshot.
"""

from collections.abc import Iterable

from demand_pipeline.load.context import Changes, LoadContext
from demand_pipeline.load.locks import lock_exclusive
from demand_pipeline.load.schema import TableSchema
from demand_pipeline.load.temporary_tables import temporary_name
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import column_list, qualified, statement

# From so many rows on, indexes are made of the whole table instead of row by row. Measured with three of them on
# `cases`: 31 instead of 50 ms at 10,000 rows, 1.1 instead of 1.9 s at 200,000, 7.5 instead of 11.9 s at a million.
_MANY_ROWS = 10_000


def replace_rows(context: LoadContext) -> dict[str, Changes]:
    """Replace the tables' rows and return the changes by table; raises LockTimeoutError, DuplicateKeyError."""
    connection, schema = context.connection, context.schema
    empty(connection, schema, context.layouts, context.additions)
    changes = {}
    for layout in context.layouts:
        indexes = drop_indexes(connection, schema, layout) if context.staged[layout.name] >= _MANY_ROWS else []
        with context.step(layout.name):
            rows = fill(connection, schema, layout)
        for creation in indexes:
            with context.step(layout.name):
                connection.execute(creation)
        changes[layout.name] = Changes(rows, 0, context.previous[layout.name], rows)
    return changes


def empty(connection: Connection, schema: str, layouts: Iterable[TableSchema], additions: Iterable[str]) -> None:
    """Lock readers out, add missing columns, remove all rows; one TRUNCATE, for foreign keys among the tables."""
    names = [layout.name for layout in layouts]
    lock_exclusive(connection, schema, names)
    for addition in additions:
        connection.execute(addition)
    connection.execute(f"TRUNCATE {', '.join([qualified(schema, name) for name in names])}")


def drop_indexes(connection: Connection, schema: str, layout: TableSchema) -> list[str]:
    """Drop the table's indexes and return the statements that make them again; those that might differ then stay."""
    indexes = connection.query(statement("indexes"), relation=qualified(schema, layout.name))
    for removal, _ in indexes:
        connection.execute(removal)
    return [step for _, creation in indexes for step in creation]


def fill(connection: Connection, schema: str, layout: TableSchema) -> int:
    """Copy the staged rows into the table and return their number; raises DuplicateKeyError."""
    columns = column_list(layout.names)
    return connection.execute(
        f"INSERT INTO {qualified(schema, layout.name)} ({columns}) "  # noqa: S608 - quoted
        f"SELECT {columns} FROM {temporary_name(layout.name)}"
    )
