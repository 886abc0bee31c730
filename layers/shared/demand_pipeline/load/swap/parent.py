"""Tables as partitioned parents: created so, or made so of a plain table, which becomes the first partition."""

from demand_pipeline.load.schema import create_table
from demand_pipeline.load.swap.grants import revoke_all
from demand_pipeline.load.swap.slots import Slot
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, qualified, statement

_PLAIN = "r"


def is_missing(connection: Connection, relation: Sql) -> bool:
    """Whether there is no such relation."""
    return not connection.query(statement("relation_kind"), relation=relation)


def is_plain(connection: Connection, relation: Sql) -> bool:
    """Whether it is a table without partitions."""
    return connection.query(statement("relation_kind"), relation=relation) == [[_PLAIN]]


def create_parent(connection: Connection, slot: Slot) -> None:
    """Create a missing parent, as the table is declared, without a partition."""
    partitioned = Sql(f" PARTITION BY {slot.partition_by}")
    connection.execute(create_table(slot.warehouse, slot.schema, partitioned))
    if slot.holds_rejects:
        connection.execute(statement("create_default_partition", partition=slot.first, parent=slot.parent))
    logger.info("table created", table=slot.schema.name)


def convert(connection: Connection, slot: Slot, suffix: str) -> None:
    """Put a parent in the place of a plain table, which the caller has locked, with the table as its partition.

    Owner, grants, comments, columns, constraints and indexes are the plain table's, by their names; its own indexes get
    names that end in the suffix. No row is read: what the parent demands, the plain table has.
    """
    dressing = connection.query(statement("parents_dressing"), relation=slot.parent)
    settings = connection.query(statement("column_settings"), relation=slot.parent, target=slot.parent)
    connection.apply(connection.query(statement("rename_indexes"), relation=slot.parent, suffix=suffix))
    move(connection, slot.parent, slot.schema.name, slot.pipeline, slot.first_name)
    plain = slot.first
    connection.execute(statement("create_parent", parent=slot.parent, plain=plain, partition_by=slot.partition_by))
    revoke_all(connection, [slot.parent])
    connection.apply(settings)
    connection.apply(dressing)
    connection.execute(statement("attach", parent=slot.parent, partition=plain, bound=slot.first_bound))
    logger.info("plain table made a partitioned one", table=slot.schema.name)


def move(connection: Connection, table: Sql, name: str, schema: str, new_name: str) -> None:
    """Give a table of this name another schema, and the new name there."""
    connection.execute(statement("move_table", table=table, schema=schema))
    if name != new_name:
        connection.execute(statement("rename_table", table=qualified(schema, name), new_name=new_name))
