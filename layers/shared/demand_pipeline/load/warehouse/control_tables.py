"""The pipeline's control tables in the warehouse: runs, their results, and rejected items."""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from demand_pipeline.contracts.event import Run
from demand_pipeline.contracts.loading import LoadedTable, LoadRequest, LoadResult
from demand_pipeline.errors import RunNameTakenError, RunRolledBackError, StaleRunError
from demand_pipeline.load.warehouse.run_attributes import find_changes
from demand_pipeline.load.warehouse.schema import TableSchema, alone
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, listed, qualified
from demand_pipeline.tables import Column, ColumnType
from demand_pipeline.transform.jsonb import sanitize

statement = Statements(__package__)

REJECTED_ITEMS = TableSchema(
    "rejected_items",
    "Items that do not fit their table, whole, of each table's last run.",
    (
        Column("run_id", ColumnType.TEXT, "", "The run that rejected the item."),
        Column("table_name", ColumnType.TEXT, "", "The warehouse table it does not fit."),
        Column("item_key", ColumnType.JSONB, "", "The item's key."),
        Column("reason", ColumnType.TEXT, "", "Column, expected type and found value."),
        Column("item", ColumnType.JSONB, "", "The item, whole."),
    ),
)

PIPELINE_RUNS = TableSchema(
    "pipeline_runs",
    "The committed runs.",
    (
        Column("run_id", ColumnType.TEXT, "", "The execution's name.", key=True),
        Column("execution_arn", ColumnType.TEXT, "", "The execution."),
        Column("started_at", ColumnType.TIMESTAMPTZ, "", "When the execution was started first."),
        Column("committed_at", ColumnType.TIMESTAMPTZ, "", "When its load was committed."),
        Column("input", ColumnType.JSONB, "", "The run's input."),
        Column("status", ColumnType.TEXT, "", "`committed`, or `rolled back` since; other runs leave no row."),
        Column("rolled_back_at", ColumnType.TIMESTAMPTZ, "", "When the rows before this run were put back."),
        Column("rolled_back_by", ColumnType.TEXT, "", "Who is said to have done that: the caller's own statement."),
        Column("rolled_back_reason", ColumnType.TEXT, "", "Why."),
    ),
)

PIPELINE_RUN_TABLES = TableSchema(
    "pipeline_run_tables",
    "What each committed run did to each of its tables.",
    (
        Column("run_id", ColumnType.TEXT, "", "The run.", key=True),
        Column("table_name", ColumnType.TEXT, "", "The warehouse table.", key=True),
        Column("segments", ColumnType.BIGINT, "", "Segments the source was scanned in."),
        Column("chunks", ColumnType.BIGINT, "", "Chunks they were staged in."),
        Column("scanned", ColumnType.BIGINT, "", "Items read."),
        Column("staged", ColumnType.BIGINT, "", "Items that became rows."),
        Column("rejected", ColumnType.BIGINT, "", "Items that did not fit."),
        Column("sanitized", ColumnType.BIGINT, "", "Rows with a character replaced."),
        Column("loaded", ColumnType.BIGINT, "", "Rows in the table after the load."),
        Column("inserted", ColumnType.BIGINT, "", "Rows inserted."),
        Column("updated", ColumnType.BIGINT, "", "Rows changed."),
        Column("deleted", ColumnType.BIGINT, "", "Rows removed."),
        Column("previous_rows", ColumnType.BIGINT, "", "Rows before the load."),
        Column("read_units", ColumnType.NUMERIC, "", "DynamoDB read units."),
        Column("bytes", ColumnType.BIGINT, "", "Bytes of the scanned pages."),
        Column("load_seconds", ColumnType.NUMERIC, "", "Seconds this table's load took."),
    ),
)

PIPELINE_RUN_ATTRIBUTES = TableSchema(
    "pipeline_run_attributes",
    "What each committed run found in the items that their declaration does not expect.",
    (
        Column("run_id", ColumnType.TEXT, "", "The run.", key=True),
        Column("table_name", ColumnType.TEXT, "", "The warehouse table.", key=True),
        Column("path", ColumnType.TEXT, "", "The attribute's path; empty for the items, `*` for all others.", key=True),
        Column(
            "type", ColumnType.TEXT, "", "Its DynamoDB type; `none` where no item has what a column reads.", key=True
        ),
        Column("items", ColumnType.BIGINT, "", "Items that have it."),
    ),
)

ROLLED_BACK = "rolled back"
"""The status of a run whose rows were replaced with the rows before it."""

FRESHNESS = "pipeline_freshness"
"""The view that shows each table's age, rows and last run."""

CONTROL_TABLES = (REJECTED_ITEMS, PIPELINE_RUNS, PIPELINE_RUN_TABLES, PIPELINE_RUN_ATTRIBUTES)

# Columns whose name differs from the field of LoadedTable; `table` is a keyword of SQL.
_FIELDS = {"table_name": "table"}


def ensure_freshness(connection: Connection, schema: str) -> None:
    """Create the view of each table's age, unless a relation of this name exists."""
    view = qualified(schema, FRESHNESS)
    [[exists]] = connection.query(statement("relation_exists"), relation=view)
    if not exists:
        connection.execute(statement("create_freshness", schema=schema))


def find_result(connection: Connection, schema: str, request: LoadRequest) -> LoadResult | None:
    """Return the run's result if it is committed: this call is a redrive, or a retry after a lost answer.

    Raises RunRolledBackError if the run was rolled back later.
    Raises RunNameTakenError if the committed run is a different one: Step Functions keeps a name unique for 90 days,
    and only within one state machine. A redrive keeps ARN and start time.
    """
    run = request.run
    recorded = connection.query(statement("find_run", schema=schema), run=run.id)
    if not recorded:
        return None
    [[arn, started_at, status, at, by, reason]] = recorded
    if (arn, started_at) != (run.arn, run.started_at):
        raise RunNameTakenError(
            f"run {run.id} started at {run.started_at} ({run.arn}), but a different run with this name, started at "
            f"{started_at} ({arn}), is already committed; start a new run under another name"
        )
    if status == ROLLED_BACK:
        raise RunRolledBackError(
            f"run {run.id} was rolled back at {at}, said to be by {by}, {reason!r}; start a new run"
        )
    names = PIPELINE_RUN_TABLES.names
    rows = connection.query(
        statement("find_run_tables", schema=schema, columns=listed(names)),
        run=run.id,
    )
    tables = {table.table: table for table in (_loaded_table(dict(zip(names, row, strict=True))) for row in rows)}
    return LoadResult(
        committed=True,
        tables=tuple(tables[staged.table.name] for staged in request.tables if staged.table.name in tables),
        drift=find_changes(connection, schema, run.id, [staged.table for staged in request.tables]),
    )


def _loaded_table(row: dict[str, Any]) -> LoadedTable:
    values = {_FIELDS.get(name, name): value for name, value in row.items() if name != "run_id"}
    # A session reads numeric as Decimal, which JSON does not support; floats are exact enough for these measurements.
    values |= {name: float(value) for name, value in values.items() if isinstance(value, Decimal)}
    return LoadedTable(**values)


def refuse_stale(connection: Connection, schema: str, run: Run) -> None:
    """Raise StaleRunError if a run that started later is committed."""
    for newer, started_at in connection.query(statement("find_newer_run", schema=schema), started_at=run.started_at):
        raise StaleRunError(
            f"run {run.id} started at {run.started_at.isoformat()}, but run {newer} of {started_at.isoformat()} is "
            "already committed; start a new run, or one with force"
        )


def delete_rejects(connection: Connection, schema: str, tables: Sequence[str]) -> None:
    """Delete the tables' rejected items."""
    [only] = alone(connection, [qualified(schema, REJECTED_ITEMS.name)])
    connection.execute(statement("delete_rejected_items", only=only), tables=list(tables))


def replace_rejects(connection: Connection, schema: str, rejects: Mapping[str, Sql]) -> None:
    """Replace the tables' rejected items with the rows of the shadows, given by table name."""
    delete_rejects(connection, schema, list(rejects))
    for shadow in rejects.values():
        columns = listed(REJECTED_ITEMS.names)
        connection.execute(statement("insert_rejected_items", schema=schema, columns=columns, rejects=shadow))


def record(connection: Connection, schema: str, request: LoadRequest, tables: Iterable[LoadedTable]) -> None:
    """Record the run and its tables."""
    run = request.run
    connection.execute(
        statement("insert_run", schema=schema),
        run=run.id,
        arn=run.arn,
        started_at=run.started_at,
        input=json.dumps(sanitize(request.input)),
    )
    names = PIPELINE_RUN_TABLES.names
    values = listed([Sql(f":{name}") for name in names])
    insert = statement("insert_run_table", schema=schema, columns=listed(names), values=values)
    for table in tables:
        counts = {name: getattr(table, _FIELDS.get(name, name)) for name in names if name != "run_id"}
        connection.execute(insert, run_id=run.id, **counts)
