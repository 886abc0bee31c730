"""The action `locks`: who holds locks on the warehouse's tables, or waits for them."""

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.locks import LocksAnswer
from demand_pipeline.load.warehouse.control_tables import CONTROL_TABLES
from demand_pipeline.load.warehouse.holders import EVERY_MODE, find_locks
from demand_pipeline.load.warehouse.schema import pipeline_schema
from demand_pipeline.operate.pages import fitting
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import qualified


def answer(connection: Connection, schema: str, _arguments: Fields) -> LocksAnswer:
    """The locks on declared tables, the pipeline's own tables, and all tables of the pipeline's schema."""
    tables = [qualified(schema, name) for name in (*TABLES, *(table.name for table in CONTROL_TABLES))]
    found = find_locks(connection, EVERY_MODE, tables, [pipeline_schema(schema)])
    locks = fitting(found)
    return LocksAnswer(tuple(locks), complete=len(locks) == len(found))
