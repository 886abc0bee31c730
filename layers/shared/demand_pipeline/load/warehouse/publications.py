"""Publications of others, which require a replica identity of each table whose rows are deleted."""

from demand_pipeline.load.warehouse.control_tables import REJECTED_ITEMS
from demand_pipeline.load.warehouse.locks import lock_exclusive
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, qualified

statement = Statements(__package__)


def ensure_replica_identity(connection: Connection, schema: str) -> None:
    """Make it possible to delete rejected items that are part of a publication; takes no lock if it already is.

    Raises LockTimeoutError.
    """
    rejected_items = qualified(schema, REJECTED_ITEMS.name)
    tables = [Sql(name) for [name] in connection.query(statement("unidentified"), relation=rejected_items)]
    if tables:
        lock_exclusive(connection, tables)
    for table in tables:
        connection.execute(statement("identify_rows", table=table))
