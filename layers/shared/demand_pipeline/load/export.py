"""A loaded table as CSV in S3."""

from demand_pipeline.contracts.event import Run
from demand_pipeline.load.context import TableLoad
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import listed, statement
from demand_pipeline.s3.staging import Staging, export_key


def export_table(connection: Connection, staging: Staging, run: Run, table: TableLoad) -> None:
    """Write `exports/{run}/{table}.csv.gz` from the new rows: a header line, then one row per record.

    PostgreSQL's CSV: an empty field is null, `""` the empty string.
    """
    key = export_key(run, table.name)
    with staging.create(key) as stream:
        connection.copy_out(statement("copy_out", table=table.shadow, columns=listed(table.schema.names)), stream)
    logger.info("table exported", table=table.name, key=key)
