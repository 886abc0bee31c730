"""The rows that the last swap replaced: `<table>_previous`, until the next load of the table."""

import secrets
from collections.abc import Iterable

from demand_pipeline.errors import LockTimeoutError
from demand_pipeline.load.copy.shadows import Shadows
from demand_pipeline.load.swap.grants import revoke_partitions
from demand_pipeline.load.swap.parent import is_missing, move
from demand_pipeline.load.swap.slots import Slot, slots_of
from demand_pipeline.load.warehouse.control_tables import refuse_stale
from demand_pipeline.load.warehouse.locks import acquire_load_lock, lock_exclusive
from demand_pipeline.load.warehouse.schema import TableSchema
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, suffixed

statement = Statements(__package__)


def make_way(shadows: Shadows, tables: Iterable[TableSchema], *, force: bool) -> None:
    """Discard the tables' previous rows, in a separate transaction; raises StaleRunError."""
    connection, slots = shadows.connection, slots_of(shadows.warehouse, tables)
    if all(is_missing(connection, slot.previous) for slot in slots):
        return
    connection.execute(statement("begin"))
    acquire_load_lock(connection, shadows.warehouse)
    if not force:
        refuse_stale(connection, shadows.warehouse, shadows.run)
    discard_previous(shadows, slots)
    connection.execute("COMMIT")


def discard_previous(shadows: Shadows, slots: list[Slot]) -> None:
    """Discard the former partitions in the caller's transaction, which holds no other locks on tables.

    If one of them is in use, they stay: then the next swap keeps no previous rows, and its run cannot be rolled back.
    """
    if found := [slot for slot in slots if not is_missing(shadows.connection, slot.previous)]:
        try:
            lock_exclusive(shadows.connection, [slot.previous for slot in found])
        except LockTimeoutError as error:
            logger.warning("previous rows are in use and stay", error=str(error))
        else:
            revoke_partitions(shadows.connection, found)
            for slot in found:
                discard(shadows, slot, slot.previous, slot.previous_name)


def discard(shadows: Shadows, slot: Slot, table: Sql, name: str) -> None:
    """Rename a slot's table like a shadow of the run, so that it is dropped with the shadows after the commit.

    Dropping a large table takes long.
    """
    suffix = f"_old_{secrets.token_hex(4)}{shadows.suffix}"
    move(shadows.connection, table, name, slot.pipeline, suffixed(slot.name, suffix))


def describe(connection: Connection, slot: Slot, text: str) -> None:
    """Set the comment of the former partition."""
    parts = {"relation": slot.previous, "comment": text}
    connection.apply(connection.query(statement("describe_previous"), **parts))


def description(slot: Slot, run: str) -> str:
    """Return the comment of a partition that a run replaced."""
    return f"What {slot.parent} had of {slot.table} before run {run}."


def comment_on(connection: Connection, relation: Sql) -> str | None:
    """Return a table's comment."""
    [[comment]] = connection.query(statement("comment_on"), relation=relation)
    return None if comment is None else str(comment)
