"""The two locks of a load: its turn among loads, and the moment when no reader may look."""

import hashlib
from collections.abc import Iterable

from demand_pipeline.postgres import Connection
from demand_pipeline.statements import qualified


def take_turn(connection: Connection, schema: str) -> None:
    """Wait for other loads of the schema to end; readers notice nothing of it.

    The transaction's end gives the turn back. Raises LockTimeoutError.
    """
    connection.query("SELECT pg_advisory_xact_lock(:key)", key=_key(schema))


def lock_out(connection: Connection, schema: str, tables: Iterable[str]) -> None:
    """Lock readers and writers out of the tables until the transaction ends; raises LockTimeoutError."""
    names = ", ".join([qualified(schema, table) for table in tables])
    connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")


def _key(schema: str) -> int:
    """A bigint out of the schema's name; PostgreSQL knows advisory locks by number only."""
    digest = hashlib.sha256(f"demand-pipeline load {schema}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
