"""The load strategy `truncate`: empty the tables and fill them again from the shadows.

Readers are locked out from the first of these statements to the commit, and no longer: everything
was copied and checked before. PostgreSQL: a reader whose snapshot is older sees the tables empty
afterwards, since TRUNCATE is not MVCC-safe; in READ COMMITTED, each statement has a new snapshot.
"""

from demand_pipeline.load.context import Changes, LoadContext, TableLoad
from demand_pipeline.load.locks import lock_exclusive
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import listed, statement

# From so many rows on, indexes are made of the whole table instead of row by row. Measured with three of them on
# `cases`: 31 instead of 50 ms at 10,000 rows, 1.1 instead of 1.9 s at 200,000, 7.5 instead of 11.9 s at a million.
_MANY_ROWS = 10_000


def replace_rows(context: LoadContext) -> None:
    """Replace the tables' rows; raises LockTimeoutError, DuplicateKeyError."""
    empty(context)
    for table in context.tables:
        indexes = drop_indexes(context.connection, table) if table.rows >= _MANY_ROWS else []
        rows = fill(context, table)
        for creation in indexes:
            context.run(table, creation)
        table.changes = Changes(inserted=rows, updated=0, deleted=table.previous_rows, rows=rows)


def empty(context: LoadContext) -> None:
    """Lock readers out, add missing columns, remove all rows; one TRUNCATE, for foreign keys among the tables."""
    lock_exclusive(context.connection, context.targets)
    context.add_columns()
    context.connection.execute(statement("truncate", tables=listed(context.targets)))


def drop_indexes(connection: Connection, table: TableLoad) -> list[str]:
    """Drop the table's indexes and return the statements that make them again; those that might differ then stay."""
    indexes = connection.query(statement("indexes"), relation=table.target)
    for removal, _ in indexes:
        connection.execute(removal)
    return [step for _, creation in indexes for step in creation]


def fill(context: LoadContext, table: TableLoad) -> int:
    """Insert the new rows into the table and return their number; raises DuplicateKeyError."""
    columns = listed(table.schema.names)
    return context.run(table, statement("fill", table=table.target, columns=columns, shadow=table.shadow))
