"""The action `status`: the last run of each table, and its number of rows."""

from dataclasses import replace

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.status import StatusAnswer, StatusRequest, TableStatus
from demand_pipeline.load.warehouse.control_tables import PIPELINE_RUN_TABLES
from demand_pipeline.load.warehouse.schema import count_rows
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Statements, qualified

statement = Statements(__package__)


def answer(connection: Connection, schema: str, arguments: Fields) -> StatusAnswer:
    """Return the status of every declared table."""
    request = StatusRequest.read(arguments)
    loaded = _last_runs(connection, schema)
    tables = [loaded.get(name, TableStatus(name, rows=None)) for name in TABLES]
    if request.count_rows:
        tables = [
            replace(table, rows=count_rows(connection, qualified(schema, table.table)))
            if exists(connection, schema, table.table)
            else table
            for table in tables
        ]
    return StatusAnswer(tuple(tables))


def exists(connection: Connection, schema: str, table: str) -> bool:
    """Whether a table exists; false if its schema does not exist."""
    [[found]] = connection.query(statement("table_exists"), relation=qualified(schema, table))
    return bool(found)


def _last_runs(connection: Connection, schema: str) -> dict[str, TableStatus]:
    if not exists(connection, schema, PIPELINE_RUN_TABLES.name):
        return {}
    return {
        table: TableStatus(
            table,
            rows=None,
            run=run,
            arn=arn,
            started_at=started_at.isoformat(),
            committed_at=committed_at.isoformat(),
            age_seconds=age,
            loaded=loaded,
            rejected=rejected,
        )
        for table, run, arn, started_at, committed_at, age, loaded, rejected in connection.query(
            statement("last_runs", schema=schema)
        )
    }
