"""Partitioned parents: created from a declaration, or converted from a plain table, which becomes the partition."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from demand_pipeline.errors import SwapRefusedError
from demand_pipeline.load.swap.grants import revoke_all
from demand_pipeline.load.swap.slots import Slot
from demand_pipeline.load.warehouse.schema import create_table
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, qualified, quote, suffixed

statement = Statements(__package__)

_PLAIN = "r"
_COPY = "converted_parent"


def is_missing(connection: Connection, relation: Sql) -> bool:
    """Whether the relation does not exist."""
    return not connection.query(statement("relation_kind"), relation=relation)


def is_plain(connection: Connection, relation: Sql) -> bool:
    """Whether the relation is a table without partitions."""
    return connection.query(statement("relation_kind"), relation=relation) == [[_PLAIN]]


def create_parent(connection: Connection, slot: Slot) -> None:
    """Create a missing parent from the table's declaration, without a partition for its rows."""
    partitioned = Sql(f" PARTITION BY {slot.partition_by}")
    connection.execute(create_table(slot.warehouse, slot.schema, partitioned))
    if slot.holds_rejects:
        connection.execute(statement("create_default_partition", partition=slot.first, parent=slot.parent))
    logger.info("table created", table=slot.schema.name)


def create_parent_like(connection: Connection, slot: Slot, parent: Sql, *, foreign_keys: bool) -> None:
    """Create an empty parent like the slot's table, with the same names of indexes and constraints.

    This session's role owns the parent. A foreign key locks writers out of the table that it refers to.
    """
    table = slot.parent
    connection.execute(statement("create_parent", parent=parent, table=table, partition_by=slot.partition_by))
    builds = connection.query(statement("index_builds"), parent=table, child=parent, named=True)
    if foreign_keys:
        builds += connection.query(statement("foreign_key_builds"), parent=table, child=parent)
    connection.apply([[build] for _, build in builds])
    revoke_all(connection, [parent])
    for missing in ("table_settings", "comments_and_grants"):
        connection.apply(connection.query(statement(missing), relation=table, target=parent))


def convert(connection: Connection, slot: Slot, suffix: str) -> None:
    """Replace a plain table, which the caller has locked, with a parent whose only partition it becomes.

    The plain table's indexes are renamed: the new names end in the suffix. No row is read, since the plain table
    already has all constraints of the parent. Raises SwapRefusedError.
    """
    name, copy = slot.schema.name, qualified(slot.pipeline, _COPY)
    create_parent_like(connection, slot, copy, foreign_keys=True)
    for index, index_name in connection.query(statement("index_names"), relation=slot.parent):
        connection.execute(statement("rename_index", index=Sql(index), new_name=suffixed(index_name, suffix)))
    [[_, owner, _, loader, *_]] = connection.query(statement("relation"), relation=slot.parent)
    move(connection, slot.parent, name, slot.pipeline, slot.first_name)
    move(connection, copy, _COPY, slot.warehouse, name)
    if owner != loader:
        connection.execute(statement("alter_table", table=slot.parent, actions=Sql(f"OWNER TO {quote(owner)}")))
    with refusing_builds(connection, [slot.first], [slot.first]):
        connection.execute(statement("attach", parent=slot.parent, partition=slot.first, bound=slot.first_bound))
    logger.info("plain table made a partitioned one", table=name)


@contextmanager
def refusing_builds(connection: Connection, before: Sequence[Sql], after: Sequence[Sql]) -> Iterator[None]:
    """Raise SwapRefusedError if PostgreSQL builds an index when the block attaches tables, since readers would wait.

    `before` and `after` are the names of the same tables before and after the block.
    """
    count = statement("count_indexes")
    expected = connection.query(count, relations=list(before))
    yield
    if connection.query(count, relations=list(after)) != expected:
        raise SwapRefusedError(
            f"{', '.join(after)}: PostgreSQL built an index under the lock instead of using an existing one, so "
            "nothing was swapped; if two indexes of the table have the same columns, drop one of them"
        )


def move(connection: Connection, table: Sql, name: str, schema: str, new_name: str) -> None:
    """Move a table with this name to another schema, and rename it there."""
    connection.execute(statement("move_table", table=table, schema=schema))
    if name != new_name:
        connection.execute(statement("rename_table", table=qualified(schema, name), new_name=new_name))
