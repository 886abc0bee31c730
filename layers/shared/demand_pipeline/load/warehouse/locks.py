"""The locks of a load: one load at a time, and exclusive access to the tables while their rows are replaced."""

import time
from collections.abc import Sequence

from demand_pipeline.errors import LockTimeoutError
from demand_pipeline.load.warehouse.control_tables import PIPELINE_RUNS
from demand_pipeline.load.warehouse.holders import EVERY_MODE, OF_LOADS, OF_WRITERS, held
from demand_pipeline.load.warehouse.schema import alone
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, listed, qualified

statement = Statements(__package__)

# New readers queue behind a session that waits for an exclusive lock. So an attempt begins only when all earlier
# transactions have left: one that stays for the whole pause, such as a long report, would block the attempt and all
# readers behind it. An attempt waits less than deadlock_timeout (1 s) for all its locks together, so that PostgreSQL
# does not cancel a reader that reads the tables in a different order.
_PAUSE_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_ATTEMPTS = 15

# A load feeds a COPY for 20 s at most (`chunks`). If a COPY is older than this and has stalled, its client hangs.
_FROZEN_SECONDS = 50.0
_STALL_SECONDS = 2.0


def acquire_load_lock(connection: Connection, schema: str) -> bool:
    """Wait for other loads of the schema to end, and end loads whose client hangs; readers are not affected.

    The lock is on `pipeline_runs` until the transaction ends, in a mode that conflicts with itself and that readers
    may not take. Returns False if the table does not exist yet, or belongs to another role. Raises LockTimeoutError.
    """
    _end_hung_loads(connection)
    runs = qualified(schema, PIPELINE_RUNS.name)
    if not connection.query(statement("is_own_table"), relation=runs):
        return False
    _lock(connection, "lock_out_loads", [runs], OF_LOADS)
    return True


def _end_hung_loads(connection: Connection) -> None:
    """Terminate the loads whose COPY is old and has stalled."""
    if suspected := connection.query(statement("hung_loads"), seconds=_FROZEN_SECONDS):
        time.sleep(_STALL_SECONDS)
        connection.query(statement("forget_activity"))
        for load in connection.query(statement("hung_loads"), seconds=_FROZEN_SECONDS):
            if load in suspected:
                connection.query(statement("end_session"), pid=load[0])
                logger.warning("a load with a hung client was terminated")


def lock_exclusive(connection: Connection, tables: Sequence[Sql]) -> None:
    """Lock readers and writers out of the tables until the transaction ends.

    Raises LockTimeoutError if other sessions hold locks on the tables during all attempts.
    """
    names = listed(alone(connection, tables))
    _lock_out_vacuum(connection, names)
    for attempt in range(1, _ATTEMPTS + 1):
        if _all_leave(connection, tables) and _try_lock(connection, tables, names):
            return
        logger.info("tables in use", attempt=attempt, attempts=_ATTEMPTS)
    attempts = f"other sessions held locks during all {_ATTEMPTS} attempts, {_PAUSE_SECONDS:g} s apart"
    raise held(connection, attempts, EVERY_MODE, tables)


def _all_leave(connection: Connection, tables: Sequence[Sql]) -> bool:
    """Whether all transactions that hold locks on the tables now end within the pause."""
    end = time.monotonic() + _PAUSE_SECONDS
    first = left = _transactions_at(connection, tables)
    while left and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
        left = first & _transactions_at(connection, tables)
    return not left


def _transactions_at(connection: Connection, tables: Sequence[Sql]) -> set[str]:
    return {str(name) for [name] in connection.query(statement("transactions_at"), relations=list(tables))}


def _try_lock(connection: Connection, tables: Sequence[Sql], names: Sql) -> bool:
    connection.execute("SAVEPOINT try_lock")
    connection.query(statement("limit_locks"), relations=list(tables))
    try:
        connection.execute(statement("lock_exclusive", tables=names))
    except LockTimeoutError:
        connection.execute("ROLLBACK TO SAVEPOINT try_lock")
        return False
    return True


def _lock_out_vacuum(connection: Connection, tables: Sql) -> None:
    """Wait until autovacuum is cancelled, which happens after deadlock_timeout: longer than the attempts wait.

    No reader or writer of rows queues behind this lock, so it waits for as long as other locks. A VACUUM that was
    started by hand is not cancelled; it may end during the attempts.
    """
    connection.execute("SAVEPOINT try_lock")
    try:
        connection.execute(statement("lock_out_vacuum", tables=tables))
    except LockTimeoutError:
        connection.execute("ROLLBACK TO SAVEPOINT try_lock")


def lock_out_writers(connection: Connection, tables: Sequence[Sql]) -> None:
    """Lock writers and autovacuum out of the tables until the transaction ends; readers continue.

    No reader queues behind this lock, so it waits for as long as other locks. Raises LockTimeoutError.
    """
    _lock(connection, "lock_out_writers", tables, OF_WRITERS)


def _lock(connection: Connection, name: str, tables: Sequence[Sql], conflicting: Sequence[str]) -> None:
    connection.execute("SAVEPOINT try_lock")
    try:
        connection.execute(statement(name, tables=listed(alone(connection, tables))))
    except LockTimeoutError as error:
        connection.execute("ROLLBACK TO SAVEPOINT try_lock")
        raise held(connection, "other sessions did not release their locks in time", conflicting, tables) from error
