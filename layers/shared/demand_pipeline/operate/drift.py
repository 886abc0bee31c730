"""The action `drift`: the changes at the source of each table since the previous run."""

from collections.abc import Iterator

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.drift import DriftAnswer, DriftRequest, TableDrift
from demand_pipeline.load.drift import compare
from demand_pipeline.load.warehouse.control_tables import PIPELINE_RUN_ATTRIBUTES, PIPELINE_RUN_TABLES
from demand_pipeline.load.warehouse.run_attributes import find_before, read_attributes
from demand_pipeline.operate.pages import ANSWER_BYTES, fitting
from demand_pipeline.operate.status import exists
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Statements
from demand_pipeline.tables import Table
from demand_pipeline.transform.drift import ALL

statement = Statements(__package__)


def answer(connection: Connection, schema: str, arguments: Fields) -> DriftAnswer:
    """Return the drift of every declared table that the run loaded; without a run, of each table's last run."""
    return DriftAnswer(tuple(_tables(connection, schema, DriftRequest.read(arguments).run)))


def _tables(connection: Connection, schema: str, run: str | None) -> Iterator[TableDrift]:
    if not all(exists(connection, schema, table.name) for table in (PIPELINE_RUN_TABLES, PIPELINE_RUN_ATTRIBUTES)):
        return
    loaded = dict(connection.query(statement("loading_runs", schema=schema), run=run))
    for name, table in TABLES.items():
        if name in loaded:
            yield _drift(connection, schema, table, str(loaded[name]))


def _drift(connection: Connection, schema: str, table: Table, run: str) -> TableDrift:
    now = read_attributes(connection, schema, run, table)
    before = find_before(connection, schema, run, table)
    changes = compare(table, read_attributes(connection, schema, before, table), now) if before else ()
    items = sum(now[ALL].values()) if ALL in now else None
    # Names may be long; `pipeline_run_attributes` contains the changes that do not fit.
    shown = fitting(changes, ANSWER_BYTES // len(TABLES))
    return TableDrift(table.name, run, before, items, tuple(shown))
