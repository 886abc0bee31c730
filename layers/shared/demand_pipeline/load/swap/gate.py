"""No snapshot may be older than the rows that a swap publishes: it would show the new partition empty or half full."""

import time

from demand_pipeline.errors import LockTimeoutError
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, statement

# As patient as the lock attempts; the state machine comes back after LockTimeoutError.
_WAIT_SECONDS = 30.0
_PAUSE_SECONDS = 0.5


def wait_for_snapshots(connection: Connection, ledger: Sql) -> None:
    """Wait, outside of a transaction, until every session sees all that the ledger has; raises LockTimeoutError.

    A transaction that was without an old snapshot once gets none any more: so those found first are the only ones.
    """
    end = time.monotonic() + _WAIT_SECONDS
    waited_for = _old_snapshots(connection, ledger)
    while waited_for:
        if time.monotonic() >= end:
            shown = ", ".join(sorted(str(pid) for pid, _ in waited_for))
            raise LockTimeoutError(
                f"process ids {shown}: snapshots older than the new rows, which would show the tables empty; "
                "end these transactions"
            )
        logger.info("old snapshots in use", sessions=len(waited_for))
        time.sleep(_PAUSE_SECONDS)
        waited_for &= _old_snapshots(connection, ledger)


def _old_snapshots(connection: Connection, ledger: Sql) -> set[tuple[int, str]]:
    return {(pid, transaction) for pid, transaction in connection.query(statement("old_snapshots", ledger=ledger))}
