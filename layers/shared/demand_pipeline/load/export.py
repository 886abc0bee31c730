"""A loaded table as CSV in S3."""

from demand_pipeline.contracts.event import Run
from demand_pipeline.load.schema import TableSchema
from demand_pipeline.load.temporary_tables import temporary_name
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import column_list
from demand_pipeline.s3.staging import Staging, export_key
from demand_pipeline.tables import Table


def export_table(connection: Connection, staging: Staging, run: Run, table: Table) -> None:
    """Write `exports/{run}/{table}.csv.gz` from the staged rows: a header line, then one row per record.

    PostgreSQL's CSV: an empty field is null, `""` the empty string.
    """
    key = export_key(run, table.name)
    columns = column_list(TableSchema.of(table).names)
    with staging.create(key) as stream:
        connection.copy_out(
            f"COPY {temporary_name(table.name)} ({columns}) TO STDOUT WITH (FORMAT csv, HEADER)", stream
        )
    logger.info("table exported", table=table.name, key=key)
