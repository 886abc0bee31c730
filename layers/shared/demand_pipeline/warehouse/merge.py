"""The load strategy `merge`: insert, update and delete the rows that differ, and touch no other.

Readers are never locked out, and snapshots older than the commit stay whole. Only other writers wait, from the
comparison to the commit. Rows are the same if their images are: `=` takes 1.0 for 1.00, `*=` does not
(PostgreSQL's manual, 9.25.6).
"""

from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import column_list, qualified, quote, suffixed
from demand_pipeline.tables import ColumnType
from demand_pipeline.warehouse.locks import lock_out, lock_writers_out
from demand_pipeline.warehouse.placement import Changes, Placement
from demand_pipeline.warehouse.schema import Layout
from demand_pipeline.warehouse.stage import stage_name


def put_in_place(placement: Placement) -> dict[str, Changes]:
    """Make the tables equal to the staged rows and return the changes by table.

    Rows are deleted in the opposite order of the tables, so that those that refer to others go first. Raises
    DuplicateKeyError, LockTimeoutError.
    """
    connection, schema, names = placement.connection, placement.schema, [layout.name for layout in placement.layouts]
    for layout in placement.layouts:
        with placement.step(layout.name):
            index_stage(connection, layout)
    if placement.additions:
        lock_out(connection, schema, names)
        for addition in placement.additions:
            connection.execute(addition)
    lock_writers_out(connection, schema, names)
    deleted, changes = {}, {}
    for layout in reversed(placement.layouts):
        with placement.step(layout.name):
            deleted[layout.name] = delete(connection, schema, layout)
    for layout in placement.layouts:
        with placement.step(layout.name):
            updated = update(connection, schema, layout)
        with placement.step(layout.name):
            inserted = insert(connection, schema, layout)
        with placement.step(layout.name):
            rows = count(connection, schema, layout)
        changes[layout.name] = Changes(inserted, updated, deleted[layout.name], rows)
    return changes


def index_stage(connection: Connection, layout: Layout) -> None:
    """See to it that every staged key is one row's, and that the planner knows how many there are.

    The index is named as PostgreSQL names the table's, for DuplicateKeyError to say the same as ever.
    """
    stage = stage_name(layout.name)
    key = ", ".join([f"{column}{collation}" for column, collation in _key(layout)])
    connection.execute(f"CREATE UNIQUE INDEX {suffixed(layout.name, '_pkey')} ON {stage} ({key})")
    connection.execute(f"ANALYZE {stage} ({column_list(layout.key)})")


def delete(connection: Connection, schema: str, layout: Layout) -> int:
    """Delete the rows whose key is not staged and return their number."""
    return connection.execute(
        f"DELETE FROM {qualified(schema, layout.name)} AS target "  # noqa: S608 - quoted
        f"WHERE NOT EXISTS (SELECT FROM {stage_name(layout.name)} AS staged WHERE {_same_key(layout)})"
    )


def update(connection: Connection, schema: str, layout: Layout) -> int:
    """Overwrite the rows that differ from the staged row of their key and return their number."""
    names = [name for name in layout.names if name not in layout.key]
    values = ", ".join([f"{quote(name)} = staged.{quote(name)}" for name in names])
    return connection.execute(
        f"UPDATE {qualified(schema, layout.name)} AS target SET {values} "  # noqa: S608 - quoted
        f"FROM {stage_name(layout.name)} AS staged "
        f"WHERE {_same_key(layout)} AND {_image('target', names)} *<> {_image('staged', names)}"
    )


def insert(connection: Connection, schema: str, layout: Layout) -> int:
    """Insert the staged rows whose key is not in the table and return their number."""
    table, columns = qualified(schema, layout.name), column_list(layout.names)
    return connection.execute(
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {stage_name(layout.name)} AS staged "  # noqa: S608
        f"WHERE NOT EXISTS (SELECT FROM {table} AS target WHERE {_same_key(layout)})"
    )


def count(connection: Connection, schema: str, layout: Layout) -> int:
    """How many rows the table holds."""
    [[rows]] = connection.query(f"SELECT count(*) FROM {qualified(schema, layout.name)}")  # noqa: S608 - quoted
    return int(rows)


def _same_key(layout: Layout) -> str:
    return " AND ".join([f"staged.{column}{collation} = target.{column}" for column, collation in _key(layout)])


def _key(layout: Layout) -> list[tuple[str, str]]:
    """The key's columns; texts are compared byte by byte, faster than by a language, and whatever the table's is."""
    return [(quote(name), ' COLLATE "C"' if layout.types[name] is ColumnType.TEXT else "") for name in layout.key]


def _image(row: str, names: list[str]) -> str:
    return f"ROW({', '.join([f'{row}.{quote(name)}' for name in names])})::record"
