"""Rows whose key became another row's, since U+FFFD stands for U+0000: rejects, all but the first of each key."""

from demand_pipeline.load.context import TableLoad
from demand_pipeline.load.shadows import Shadows
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, listed, quote, statement
from demand_pipeline.tables import Column, ColumnType
from demand_pipeline.transform.jsonb import REPLACEMENT


def reject_key_collisions(connection: Connection, shadows: Shadows, table: TableLoad) -> bool:
    """Move such rows from a table's shadow to that of its rejects, and enter it in the ledger; whether there were any.

    It is one statement, so that it is done as a whole even if its client is gone.
    Two keys of DynamoDB may differ by U+0000 alone. Equal keys without a replaced character stay:
    those are an error, and DuplicateKeyError says so.
    """
    key = table.staged.table.key
    texts = [column.name for column in key if column.type is ColumnType.TEXT]
    if not table.staged.sanitized or not texts:
        return False
    moved = connection.execute(
        statement(
            "reject_key_collisions",
            ledger=shadows.ledger,
            rejects=shadows.rejects(table.name),
            shadow=table.shadow,
            key=listed([column.name for column in key]),
            shown_key=listed([Sql(f":attribute_{i}::text, {_as_json(column)}") for i, column in enumerate(key)]),
            is_replaced=listed([Sql(f"strpos({quote(name)}, :replacement) > 0") for name in texts], " OR "),
        ),
        step=f"key collisions of {table.name}",
        replacement=REPLACEMENT,
        run=shadows.run.id,
        table=table.name,
        reason="key: expected one of its own, got another item's once U+0000 is U+FFFD",
        **{f"attribute_{i}": column.attribute for i, column in enumerate(key)},
    )
    return bool(moved)


def _as_json(column: Column) -> Sql:
    """A key column's value as it is in any reject's key: binary as base64 in one line."""
    name = quote(column.name)
    return Sql(f"replace(encode({name}, 'base64'), chr(10), '')") if column.type is ColumnType.BYTEA else name
