"""The load strategy `truncate`: empty the tables and fill them anew from the temporary ones.

Readers are locked out from the first of these statements to the commit, and no longer: everything
was staged and checked before. PostgreSQL: a reader whose snapshot is older sees the tables empty
afterwards, since TRUNCATE is not MVCC-safe; in READ COMMITTED, each statement has a new snapshot.
"""

from collections.abc import Iterable

from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import column_list, qualified
from demand_pipeline.warehouse.locks import lock_out
from demand_pipeline.warehouse.schema import Layout
from demand_pipeline.warehouse.stage import stage_name


def empty(connection: Connection, schema: str, layouts: Iterable[Layout], additions: Iterable[str]) -> None:
    """Lock readers out, add missing columns, remove all rows; one TRUNCATE, for foreign keys among the tables."""
    names = [layout.name for layout in layouts]
    lock_out(connection, schema, names)
    for addition in additions:
        connection.execute(addition)
    connection.execute(f"TRUNCATE {', '.join([qualified(schema, name) for name in names])}")


def fill(connection: Connection, schema: str, layout: Layout) -> int:
    """Copy the staged rows into the table and return their number; raises DuplicateKeyError."""
    columns = column_list(layout.names)
    return connection.execute(
        f"INSERT INTO {qualified(schema, layout.name)} ({columns}) "  # noqa: S608 - quoted
        f"SELECT {columns} FROM {stage_name(layout.name)}"
    )
