"""No snapshot may be older than the rows that a swap publishes: it would show the new partition empty or half full."""

import time

from demand_pipeline.errors import LockTimeoutError
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, statement

# As patient as the lock attempts; the state machine comes back after LockTimeoutError.
_WAIT_SECONDS = 30.0
# Short: while a transaction elsewhere writes, every snapshot looks as old as it, and a moment without any must be met.
_PAUSE_SECONDS = 0.05


def wait_for_snapshots(connection: Connection, ledger: Sql) -> None:
    """Wait, outside of a transaction, for a moment at which every session sees all that the ledger has.

    No snapshot from before can come back then: a transaction can import another one's only while that one has it.
    Raises LockTimeoutError.
    """
    end = time.monotonic() + _WAIT_SECONDS
    while waited_for := _old_snapshots(connection, ledger):
        if time.monotonic() >= end:
            shown = ", ".join(map(str, waited_for))
            raise LockTimeoutError(
                f"process ids {shown}: snapshots older than the new rows, which would show the tables empty; "
                "end these transactions"
            )
        logger.debug("old snapshots in use", sessions=len(waited_for))
        time.sleep(_PAUSE_SECONDS)


def _old_snapshots(connection: Connection, ledger: Sql) -> list[int]:
    return [int(pid) for [pid] in connection.query(statement("old_snapshots", ledger=ledger))]
