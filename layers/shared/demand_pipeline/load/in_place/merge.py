"""The load strategy `merge`: insert, update and delete the rows that differ, and leave the others alone.

Readers are never locked out, and snapshots older than the commit stay complete. Only other writers wait, from the
comparison to the commit. Rows are equal if their row values are identical: for `=`, 1.0 and 1.00 are equal, for `*=`
they are not (PostgreSQL's manual, 9.25.6).
"""

from dataclasses import replace

from demand_pipeline.load.context import Changes, LoadContext, TableLoad
from demand_pipeline.load.warehouse.locks import lock_exclusive, lock_out_writers
from demand_pipeline.load.warehouse.schema import TableSchema, alone, count_rows
from demand_pipeline.postgres.statements import Sql, Statements, listed, quote
from demand_pipeline.tables import ColumnType

statement = Statements(__package__)


def replace_rows(context: LoadContext) -> None:
    """Make the tables equal to the new rows; raises DuplicateKeyError, LockTimeoutError.

    Rows are deleted in reverse order of the tables, so that referring rows are deleted first.
    """
    for table in context.tables:
        index_shadow(context, table)
    if any(table.additions for table in context.tables):
        lock_exclusive(context.connection, context.targets)
        context.add_columns()
    lock_out_writers(context.connection, context.targets)
    for table in reversed(context.tables):
        table.changes = Changes(inserted=0, updated=0, deleted=delete(context, table), rows=0)
    for table in context.tables:
        updated, inserted = update(context, table), insert(context, table)
        with context.step(table):
            rows = count_rows(context.connection, table.target)
        table.changes = replace(table.changes, updated=updated, inserted=inserted, rows=rows)


def index_shadow(context: LoadContext, table: TableLoad) -> None:
    """Make sure that each new key is unique, and give the planner statistics."""
    key = listed([Sql(f"{column}{collation}") for column, collation in _key(table.schema)])
    context.run(table, statement("index_shadow", shadow=table.shadow, key=key))
    columns = listed(table.schema.key)
    context.run(table, statement("analyze_shadow", shadow=table.shadow, columns=columns))


def delete(context: LoadContext, table: TableLoad) -> int:
    """Delete the rows whose key is not among the new ones and return their number."""
    return context.run(table, statement("delete_missing", **_parts(context, table)))


def update(context: LoadContext, table: TableLoad) -> int:
    """Overwrite the rows that differ from the new row of their key and return their number."""
    names = [name for name in table.schema.names if name not in table.schema.key]
    parts = {
        "values": listed([Sql(f"{quote(name)} = incoming.{quote(name)}") for name in names]),
        "target_row": _row_value("target", names),
        "incoming_row": _row_value("incoming", names),
    }
    return context.run(table, statement("update_changed", **_parts(context, table), **parts))


def insert(context: LoadContext, table: TableLoad) -> int:
    """Insert the new rows whose key is not in the table and return their number."""
    return context.run(table, statement("insert_missing", **_parts(context, table), columns=listed(table.schema.names)))


def _parts(context: LoadContext, table: TableLoad) -> dict[str, Sql]:
    equal = "OPERATOR(pg_catalog.=)"
    same = [Sql(f"incoming.{column}{collation} {equal} target.{column}") for column, collation in _key(table.schema)]
    [only] = alone(context.connection, [table.target])
    parts = {"table": table.target, "only": only, "shadow": table.shadow}
    return parts | {"is_same_key": listed(same, " AND ")}


def _key(schema: TableSchema) -> list[tuple[Sql, str]]:
    """Return the key's columns and collations. Texts are compared bytewise: faster, and the same for every table."""
    return [(quote(name), ' COLLATE "C"' if schema.types[name] is ColumnType.TEXT else "") for name in schema.key]


def _row_value(row: str, names: list[str]) -> Sql:
    return Sql(f"ROW({listed([Sql(f'{row}.{quote(name)}') for name in names])})::record")
