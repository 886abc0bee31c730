"""Waits until no snapshot is older than the rows that a swap publishes: it would show only some of them, or none."""

import time

from demand_pipeline.errors import LockTimeoutError
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements

statement = Statements(__package__)

# About as long as the lock attempts take; the state machine retries after LockTimeoutError.
_WAIT_SECONDS = 30.0
# Short: while any transaction writes, every snapshot looks as old as that transaction. The wait must hit a moment
# without one.
_PAUSE_SECONDS = 0.05


def wait_for_snapshots(connection: Connection, ledger: Sql) -> None:
    """Wait, outside of a transaction, until every session sees all rows that the ledger lists.

    No older snapshot can appear later: a transaction can import a snapshot only while another transaction uses it.
    Raises LockTimeoutError.
    """
    end = time.monotonic() + _WAIT_SECONDS
    while waited_for := _old_snapshots(connection, ledger):
        if time.monotonic() >= end:
            shown = ", ".join(map(str, waited_for))
            raise LockTimeoutError(
                f"the snapshots of the processes {shown} are older than the new rows and would show the tables empty; "
                "end their transactions"
            )
        logger.debug("old snapshots in use", sessions=len(waited_for))
        time.sleep(_PAUSE_SECONDS)


def _old_snapshots(connection: Connection, ledger: Sql) -> list[int]:
    return [int(pid) for [pid] in connection.query(statement("old_snapshots", ledger=ledger))]
