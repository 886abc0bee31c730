"""Privileges on partitions, which bypass the grants and policies of their parent.

Nobody but its owner may use a partition that is current. Whoever may read the table may read its former partition.
"""

from collections.abc import Iterable

from demand_pipeline.load.swap.slots import Slot
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, statement


def revoke_all(connection: Connection, relations: Iterable[Sql]) -> None:
    """Leave each table to its owner, whoever granted what; missing tables are skipped.

    This belongs before a commit that attaches a partition: nothing that fails later may leave a grant behind.
    """
    connection.apply(connection.query(statement("revocations"), relations=list(relations)))


def revoke_partitions(connection: Connection, slots: Iterable[Slot]) -> None:
    """Revoke all privileges on the slots' partitions, current and former."""
    revoke_all(connection, [partition for slot in slots for partition in (slot.current, slot.first, slot.previous)])


def grant_previous(connection: Connection, slots: Iterable[Slot]) -> None:
    """Let whoever may read the tables read their former partitions; the schema's owner alone can open the schema."""
    for slot in slots:
        parts = {"parent": slot.parent, "previous": slot.previous, "schema": slot.pipeline}
        connection.apply(connection.query(statement("previous_grants"), **parts))
