"""The exchange of a swap: detaches former partitions and attaches shadows, for all tables in one transaction."""

from collections.abc import Callable

from demand_pipeline.load.copy.shadows import Shadows
from demand_pipeline.load.swap.grants import revoke_partitions
from demand_pipeline.load.swap.parent import convert, is_missing, is_plain, move, refusing_builds
from demand_pipeline.load.swap.previous import describe, description, discard
from demand_pipeline.load.swap.shadow import copy_storage_settings
from demand_pipeline.load.swap.slots import Slot, parents_of
from demand_pipeline.load.warehouse.control_tables import delete_rejects
from demand_pipeline.load.warehouse.locks import lock_exclusive, lock_out_writers
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements

statement = Statements(__package__)


def lock_tables(connection: Connection, slots: list[Slot]) -> None:
    """Lock writers out of the slots' parents; readers continue."""
    lock_out_writers(connection, [slot.parent for slot in parents_of(slots)])


def exchange(shadows: Shadows, slots: list[Slot], alter: Callable[[], None], *, keep_previous: bool) -> None:
    """Make the shadows the partitions of their parents, at the end of the caller's transaction.

    Each former partition is renamed `<name>_previous`. It is discarded instead if previous rows are not kept, or if an
    older table with that name is still in use. `alter` changes the parents under the lock.
    Readers are locked out from here to the commit.
    Raises LockTimeoutError, SwapRefusedError.
    """
    connection, parents = shadows.connection, parents_of(slots)
    for slot in slots:
        if slot.holds_rejects and find_partition(connection, slot) is None:
            _empty_default(shadows, slot, keep_previous=keep_previous)
    with refusing_builds(connection, [shadows.rows(slot.name) for slot in slots], [slot.current for slot in slots]):
        lock_exclusive(connection, [slot.parent for slot in parents])
        alter()
        for slot in parents:
            if is_plain(connection, slot.parent):
                convert(connection, slot, f"_plain{shadows.suffix}")
        for slot in slots:
            _exchange(shadows, slot, keep_previous=keep_previous)
    revoke_partitions(connection, slots)


def find_partition(connection: Connection, slot: Slot) -> tuple[Sql, str] | None:
    """Return the partition with the slot's bound, quoted, and its name; None if it does not exist."""
    for relation, name, bound in connection.query(statement("partitions"), relation=slot.parent):
        if bound == slot.bound:
            return Sql(relation), str(name)
    return None


def _exchange(shadows: Shadows, slot: Slot, *, keep_previous: bool) -> None:
    connection, shadow = shadows.connection, shadows.rows(slot.name)
    if found := find_partition(connection, slot):
        partition, name = found
        copy_storage_settings(connection, partition, shadow)
        connection.execute(statement("detach", parent=slot.parent, partition=partition))
        _set_aside(shadows, slot, partition, name, keep_previous=keep_previous)
    connection.execute(statement("rename_table", table=shadow, new_name=slot.current_name))
    connection.execute(statement("attach", parent=slot.parent, partition=slot.current, bound=slot.bound))


def _set_aside(shadows: Shadows, slot: Slot, partition: Sql, name: str, *, keep_previous: bool) -> None:
    """Keep a former partition, or discard it."""
    connection = shadows.connection
    if keep_previous and is_missing(connection, slot.previous):
        move(connection, partition, name, slot.pipeline, slot.previous_name)
        describe(connection, slot, description(slot, shadows.run.id))
    else:
        discard(shadows, slot, partition, name)


def _empty_default(shadows: Shadows, slot: Slot, *, keep_previous: bool) -> None:
    """Remove a table's rejected items from the default partition; readers see them until the commit."""
    connection = shadows.connection
    if keep_previous and is_missing(connection, slot.previous):
        connection.execute(statement("create_previous_like", previous=slot.previous, parent=slot.parent))
        connection.execute(statement("add_check", table=slot.previous, check=slot.check or ""))
        connection.execute(statement("move_rejects", previous=slot.previous, parent=slot.parent), table=slot.table)
        describe(connection, slot, description(slot, shadows.run.id))
    else:
        delete_rejects(connection, slot.warehouse, [slot.table])
