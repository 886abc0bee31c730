"""The load strategy `truncate`: empty the tables and fill them again from the shadows.

Readers are locked out only from the first of these statements to the commit: everything was copied and checked
before. The rows are written frozen, so every snapshot sees them, even an older one (PostgreSQL's manual, COPY).
TRUNCATE keeps no old rows, so without frozen rows a statement that took its snapshot before it waited for the lock,
such as REFRESH MATERIALIZED VIEW, would see empty tables. Only COPY freezes rows, so the rows pass through this
function: a second session reads the shadow.
"""

from demand_pipeline.errors import DatabaseTimeoutError, TransientError
from demand_pipeline.load.context import Changes, LoadContext, TableLoad
from demand_pipeline.load.in_place import merge
from demand_pipeline.load.warehouse.locks import lock_exclusive
from demand_pipeline.load.warehouse.schema import alone
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, listed

statement = Statements(__package__)

# From this number of rows on, indexes are dropped and built again after the rows instead of row by row. Measured with
# three indexes on `cases`: 31 instead of 50 ms at 10,000 rows, 1.1 instead of 1.9 s at 200,000, 7.5 instead of 11.9 s
# at a million.
_MANY_ROWS = 10_000
# One COPY reads this many blocks (64 MiB) of a shadow, in about a second. While it waits for its client, only this
# timeout ends the wait of the readers.
_BLOCKS = 8192
_COPY_SECONDS = 45.0


def replace_rows(context: LoadContext) -> None:
    """Replace the tables' rows; raises LockTimeoutError, DuplicateKeyError.

    PostgreSQL cannot freeze rows that are written through a partitioned parent. So if a table has several partitions,
    all tables of the run are merged: an older snapshot must not see different runs in different tables.
    """
    places = {table.name: find_storage(context.connection, table) for table in context.tables}
    if scattered := [name for name, place in places.items() if place is None]:
        logger.info("tables are merged, because rows in several partitions cannot be frozen", tables=scattered)
        merge.replace_rows(context)
        return
    with context.open_session() as source:
        empty(context)
        for table in context.tables:
            indexes = drop_indexes(context.connection, table) if table.rows >= _MANY_ROWS else []
            rows = fill(context, table, places[table.name] or table.target, source)
            for creation in indexes:
                context.run(table, creation)
            table.changes = Changes(inserted=rows, updated=0, deleted=table.previous_rows, rows=rows)


def find_storage(connection: Connection, table: TableLoad) -> Sql | None:
    """Return the relation that contains a table's rows: itself or its only partition; None if there are several."""
    found = connection.query(statement("storage"), relation=table.target)
    return Sql(found[0][0]) if found else None


def empty(context: LoadContext) -> None:
    """Lock readers out, add missing columns, remove all rows in one TRUNCATE, as foreign keys between them require."""
    lock_exclusive(context.connection, context.targets)
    context.add_columns()
    context.connection.execute(statement("truncate", tables=listed(alone(context.connection, context.targets))))


def drop_indexes(connection: Connection, table: TableLoad) -> list[str]:
    """Drop the table's indexes that can be recreated exactly, and return the statements that do it."""
    indexes = connection.query(statement("indexes"), relation=table.target)
    for removal, _ in indexes:
        connection.execute(removal)
    return [step for _, creation in indexes for step in creation]


def fill(context: LoadContext, table: TableLoad, place: Sql, source: Connection) -> int:
    """Copy the rows from the shadow, which `source` reads, and return their number. Raises DuplicateKeyError.

    PostgreSQL freezes rows only in the (sub)transaction of the TRUNCATE, so a savepoint in between would prevent it.
    Raises TransientError if a COPY stalls, DeadlineError if the function's time runs out.
    """
    columns, rows = listed(table.schema.names), 0
    write = statement("write_frozen", table=place, columns=columns)
    [[blocks]] = source.query(statement("count_blocks"), relation=table.shadow)
    for first in range(0, max(1, blocks), _BLOCKS):
        bounds = {"first": Sql(str(first)), "end": Sql(str(first + _BLOCKS))}
        with context.step(table):
            read = statement("read_blocks", shadow=table.shadow, columns=columns, **bounds)
            limit = min(_COPY_SECONDS, context.guard.deadline.seconds_left())
            context.guard.limit(limit)
            try:
                rows += context.connection.copy_across(write, source, read)
            except DatabaseTimeoutError as error:
                if limit < _COPY_SECONDS:  # the function's time has run out, so another attempt would not help
                    raise
                raise TransientError(f"{table.name}: writing stalled for {_COPY_SECONDS:g} s") from error
    return rows
