"""Privileges on partitions, which bypass the grants and policies of their parent.

Only its owner may use a current partition. Roles that may read a table may also read its former partition.
"""

from collections.abc import Iterable

from demand_pipeline.load.swap.slots import Slot
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements

statement = Statements(__package__)


def revoke_all(connection: Connection, relations: Iterable[Sql]) -> None:
    """Revoke all privileges on the tables, of all grantors, except for the owner's; skip missing tables.

    Call this before the commit that attaches a partition, so that no later failure can leave a grant behind.
    """
    connection.apply(connection.query(statement("revocations"), relations=list(relations)))


def revoke_partitions(connection: Connection, slots: Iterable[Slot]) -> None:
    """Revoke all privileges on the slots' partitions, current and former."""
    revoke_all(connection, [partition for slot in slots for partition in (slot.current, slot.first, slot.previous)])


def grant_previous(connection: Connection, slots: Iterable[Slot]) -> None:
    """Grant readers of the tables access to the former partitions; only the schema's owner can grant USAGE on it."""
    for slot in slots:
        parts = {"parent": slot.parent, "previous": slot.previous, "schema": slot.pipeline}
        connection.apply(connection.query(statement("previous_grants"), **parts))
