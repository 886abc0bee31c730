"""Rolls the last run back: swaps the former partitions of all its tables back, in one transaction."""

from collections.abc import Mapping

from demand_pipeline.contracts.operating.previous import RestoredTable, RollbackAnswer, RollbackRequest
from demand_pipeline.errors import RollbackError
from demand_pipeline.load.swap.builds import find_builds
from demand_pipeline.load.swap.exchange import find_partition, lock_tables
from demand_pipeline.load.swap.grants import revoke_partitions
from demand_pipeline.load.swap.parent import is_missing, move, refusing_builds
from demand_pipeline.load.swap.previous import comment_on, describe, description
from demand_pipeline.load.swap.shadow import align
from demand_pipeline.load.swap.slots import Slot, parents_of, slots_of
from demand_pipeline.load.warehouse.control_tables import CONTROL_TABLES, PIPELINE_RUNS, ROLLED_BACK
from demand_pipeline.load.warehouse.locks import acquire_load_lock, lock_exclusive
from demand_pipeline.load.warehouse.schema import TableSchema, prepare
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Statements, qualified
from demand_pipeline.tables import Table

statement = Statements(__package__)


def roll_back(
    connection: Connection, schema: str, declared: Mapping[str, Table], wanted: RollbackRequest
) -> RollbackAnswer:
    """Restore the rows that the last run replaced, in the caller's transaction.

    Columns, constraints and indexes that were added to the tables since are first added to the former partitions,
    while readers continue. The run's own rows become `_previous`. Raises RollbackError, LockTimeoutError
    or SwapRefusedError.
    """
    acquire_load_lock(connection, schema)
    last, slots = _find_last_run(connection, schema, declared, wanted.run)
    lock_tables(connection, slots)
    for slot in slots:
        align(connection, slot.parent, slot.previous)
        for build in find_builds(connection, slot, slot.previous):
            connection.execute(build.statement)
    with refusing_builds(connection, [slot.previous for slot in slots], [slot.current for slot in slots]):
        lock_exclusive(connection, [*(slot.parent for slot in parents_of(slots)), *(slot.previous for slot in slots)])
        for slot in slots:
            _exchange(connection, slot, last)
    revoke_partitions(connection, slots)
    connection.execute(
        statement("mark_rolled_back", schema=schema), run=last, status=ROLLED_BACK, by=wanted.by, reason=wanted.reason
    )
    restored = [
        RestoredTable(slot.table, _standing_run(connection, schema, slot.table))
        for slot in slots
        if not slot.holds_rejects
    ]
    logger.info("run rolled back", run=last, tables=[table.table for table in restored])
    return RollbackAnswer(last, tuple(restored))


def _find_last_run(
    connection: Connection, schema: str, declared: Mapping[str, Table], wanted: str | None
) -> tuple[str, list[Slot]]:
    """Return the last committed run, and the slots of its tables, after checking that their previous rows exist."""
    if is_missing(connection, qualified(schema, PIPELINE_RUNS.name)):
        raise RollbackError(f"{schema}: no run is committed")
    for additions in prepare(connection, schema, CONTROL_TABLES).values():
        for addition in additions:
            connection.execute(addition)
    for run, status, at, by in connection.query(statement("last_run", schema=schema)):
        if status == ROLLED_BACK:
            raise RollbackError(f"the last run, {run}, was already rolled back at {at}, said to be by {by}")
        if wanted not in (None, run):
            raise RollbackError(f"only the last run ({run}) can be rolled back, not {wanted}")
        tables = [name for [name] in connection.query(statement("tables_of_run", schema=schema), run=run)]
        if gone := [name for name in tables if name not in declared]:
            raise RollbackError(f"run {run} loaded tables that are no longer declared: {', '.join(gone)}")
        slots = slots_of(schema, [TableSchema.of(declared[name]) for name in tables])
        for slot in slots:
            _check_previous(connection, slot, run)
        return run, slots
    raise RollbackError(f"{schema}: no run is committed")


def _check_previous(connection: Connection, slot: Slot, run: str) -> None:
    expected, found = description(slot, run), comment_on(connection, slot.previous)
    if is_missing(connection, slot.previous):
        raise RollbackError(f"the rows that run {run} replaced are not kept: {slot.previous} does not exist")
    if found != expected:
        raise RollbackError(f"{slot.previous} does not contain the rows that run {run} replaced, but: {found!r}")


def _exchange(connection: Connection, slot: Slot, run: str) -> None:
    """Swap the current and the previous partition, and exchange their names."""
    if not (found := find_partition(connection, slot)):
        raise RollbackError(f"{slot.parent} has no partition {slot.bound}")
    partition, name = found
    aside = f"{slot.name}_rolled_back"
    connection.execute(statement("detach", parent=slot.parent, partition=partition))
    move(connection, partition, name, slot.pipeline, aside)
    connection.execute(statement("rename_table", table=slot.previous, new_name=slot.current_name))
    connection.execute(statement("rename_table", table=qualified(slot.pipeline, aside), new_name=slot.previous_name))
    connection.execute(statement("attach", parent=slot.parent, partition=slot.current, bound=slot.bound))
    describe(connection, slot, f"What {slot.parent} had of {slot.table} from run {run}, which was rolled back.")


def _standing_run(connection: Connection, schema: str, table: str) -> str | None:
    """Return the run that loaded a table's rows; None if no run did."""
    runs = connection.query(statement("last_loaded", schema=schema), table=table)
    return str(runs[0][1]) if runs else None
