"""Shadows that become partitions: logged, and created like their parents, so that attaching one reads no row."""

from demand_pipeline.load.copy.shadows import Shadows
from demand_pipeline.load.swap.grants import revoke_all
from demand_pipeline.load.swap.parent import is_missing
from demand_pipeline.load.swap.slots import Slot
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, listed, quote

statement = Statements(__package__)

_LOGGED = Sql("")


def shadow_of(shadows: Shadows, slot: Slot) -> Sql:
    """Return the shadow of a slot, quoted."""
    return shadows.rows(slot.name)


def create_shadows(shadows: Shadows, slots: list[Slot]) -> None:
    """Create the missing shadows of a run, and the ledger, in the caller's transaction.

    Autovacuum is off for shadows, since its lock would block the swap. Raises DatabasePrivilegeError.
    """
    shadows.ensure_schema()
    for slot in slots:
        if is_missing(shadows.connection, shadow := shadow_of(shadows, slot)):
            create_shadow(shadows.connection, slot, shadow)
    shadows.ledger.create(_LOGGED)


def create_shadow(connection: Connection, slot: Slot, shadow: Sql) -> None:
    """Create one shadow, with privileges for its owner only."""
    if is_missing(connection, slot.parent):
        connection.execute(statement("create_logged_shadow", shadow=shadow, definition=slot.schema.definition()))
    else:
        connection.execute(statement("create_shadow_like", shadow=shadow, parent=slot.parent))
        connection.apply(connection.query(statement("table_settings"), relation=slot.parent, target=shadow))
    add_declared_columns(connection, slot, shadow)
    not_null = [f"ALTER COLUMN {quote(name)} SET NOT NULL" for name in slot.schema.key]
    check = [f"ADD CHECK ({slot.check})", "REPLICA IDENTITY FULL"] if slot.check else []
    actions = listed([Sql(action) for action in (*not_null, *check)])
    connection.execute(statement("alter_table", table=shadow, actions=actions))
    revoke_all(connection, [shadow])


def add_declared_columns(connection: Connection, slot: Slot, table: Sql) -> None:
    """Add the declared columns that a table lacks."""
    columns = [Sql(f"ADD COLUMN IF NOT EXISTS {quote(name)} {kind}") for name, kind in slot.schema.types.items()]
    connection.execute(statement("alter_table", table=table, actions=listed(columns)))


def align(connection: Connection, parent: Sql, table: Sql, kept: tuple[str, ...] = ()) -> None:
    """Give a table the columns, NOT NULLs and CHECKs of its future parent.

    The columns `kept` stay, since the parent will get them later. A new constraint is checked row by row, under an
    exclusive lock on this table only.
    """
    alignment = connection.query(statement("alignment"), parent=parent, child=table, kept=list(kept))
    connection.apply(alignment)


def copy_storage_settings(connection: Connection, source: Sql, target: Sql) -> None:
    """Copy the storage settings of another table to a table, and reset a shadow's settings."""
    connection.apply(connection.query(statement("storage_settings"), relation=source, target=target))
