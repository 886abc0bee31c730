"""A loaded table as CSV in S3."""

from demand_pipeline.events import Run
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import column_list
from demand_pipeline.staging import Staging, export_key
from demand_pipeline.tables import Table
from demand_pipeline.warehouse.schema import Layout
from demand_pipeline.warehouse.stage import stage_name


def export_table(connection: Connection, staging: Staging, run: Run, table: Table) -> None:
    """Write `exports/{run}/{table}.csv.gz` from the staged rows: a header line, then a row a record.

    PostgreSQL's CSV: an empty field is null, `""` the empty string.
    """
    key = export_key(run, table.name)
    columns = column_list(Layout.of(table).names)
    with staging.create(key) as stream:
        connection.copy_out(f"COPY {stage_name(table.name)} ({columns}) TO STDOUT WITH (FORMAT csv, HEADER)", stream)
    logger.info("table exported", table=table.name, key=key)
