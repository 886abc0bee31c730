"""The load strategy `merge`: insert, update and delete the rows that differ, and touch no other.

Readers are never locked out, and snapshots older than the commit stay whole. Only other writers wait, from the
comparison to the commit. Rows are the same if their images are: `=` takes 1.0 for 1.00, `*=` does not
(PostgreSQL's manual, 9.25.6).
"""

from demand_pipeline.load.context import Changes, LoadContext
from demand_pipeline.load.locks import lock_exclusive, lock_out_writers
from demand_pipeline.load.schema import TableSchema
from demand_pipeline.load.temporary_tables import temporary_name
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import column_list, qualified, quote, suffixed
from demand_pipeline.tables import ColumnType


def replace_rows(context: LoadContext) -> dict[str, Changes]:
    """Make the tables equal to the staged rows and return the changes by table.

    Rows are deleted in the opposite order of the tables, so that those that refer to others go first. Raises
    DuplicateKeyError, LockTimeoutError.
    """
    connection, schema, names = context.connection, context.schema, [layout.name for layout in context.layouts]
    for layout in context.layouts:
        with context.step(layout.name):
            index_temporary(connection, layout)
    if context.additions:
        lock_exclusive(connection, schema, names)
        for addition in context.additions:
            connection.execute(addition)
    lock_out_writers(connection, schema, names)
    deleted, changes = {}, {}
    for layout in reversed(context.layouts):
        with context.step(layout.name):
            deleted[layout.name] = delete(connection, schema, layout)
    for layout in context.layouts:
        with context.step(layout.name):
            updated = update(connection, schema, layout)
        with context.step(layout.name):
            inserted = insert(connection, schema, layout)
        with context.step(layout.name):
            rows = count(connection, schema, layout)
        changes[layout.name] = Changes(inserted, updated, deleted[layout.name], rows)
    return changes


def index_temporary(connection: Connection, layout: TableSchema) -> None:
    """Make sure that each new key is unique, and give the planner statistics.

    The index has the name of the table's, so that DuplicateKeyError names the same one in both strategies.
    """
    stage = temporary_name(layout.name)
    key = ", ".join([f"{column}{collation}" for column, collation in _key(layout)])
    connection.execute(f"CREATE UNIQUE INDEX {suffixed(layout.name, '_pkey')} ON {stage} ({key})")
    connection.execute(f"ANALYZE {stage} ({column_list(layout.key)})")


def delete(connection: Connection, schema: str, layout: TableSchema) -> int:
    """Delete the rows whose key is not staged and return their number."""
    return connection.execute(
        f"DELETE FROM {qualified(schema, layout.name)} AS target "  # noqa: S608 - quoted
        f"WHERE NOT EXISTS (SELECT FROM {temporary_name(layout.name)} AS staged WHERE {_same_key(layout)})"
    )


def update(connection: Connection, schema: str, layout: TableSchema) -> int:
    """Overwrite the rows that differ from the staged row of their key and return their number."""
    names = [name for name in layout.names if name not in layout.key]
    values = ", ".join([f"{quote(name)} = staged.{quote(name)}" for name in names])
    return connection.execute(
        f"UPDATE {qualified(schema, layout.name)} AS target SET {values} "  # noqa: S608 - quoted
        f"FROM {temporary_name(layout.name)} AS staged "
        f"WHERE {_same_key(layout)} AND {_row_value('target', names)} *<> {_row_value('staged', names)}"
    )


def insert(connection: Connection, schema: str, layout: TableSchema) -> int:
    """Insert the staged rows whose key is not in the table and return their number."""
    table, columns = qualified(schema, layout.name), column_list(layout.names)
    return connection.execute(
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {temporary_name(layout.name)} AS staged "  # noqa: S608
        f"WHERE NOT EXISTS (SELECT FROM {table} AS target WHERE {_same_key(layout)})"
    )


def count(connection: Connection, schema: str, layout: TableSchema) -> int:
    """How many rows the table holds."""
    [[rows]] = connection.query(f"SELECT count(*) FROM {qualified(schema, layout.name)}")  # noqa: S608 - quoted
    return int(rows)


def _same_key(layout: TableSchema) -> str:
    return " AND ".join([f"staged.{column}{collation} = target.{column}" for column, collation in _key(layout)])


def _key(layout: TableSchema) -> list[tuple[str, str]]:
    """The key's columns. Texts are compared byte by byte: faster than by a language, and the same for every table."""
    return [(quote(name), ' COLLATE "C"' if layout.types[name] is ColumnType.TEXT else "") for name in layout.key]


def _row_value(row: str, names: list[str]) -> str:
    return f"ROW({', '.join([f'{row}.{quote(name)}' for name in names])})::record"
