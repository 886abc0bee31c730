"""The actions `rollback` and `diff`, which restore the rows before the last run or compare with them."""

from dataclasses import replace

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.previous import DiffAnswer, DiffRequest, RollbackAnswer, RollbackRequest
from demand_pipeline.load.swap.diff import diff_table
from demand_pipeline.load.swap.rollback import roll_back
from demand_pipeline.load.swap.slots import slots_of
from demand_pipeline.load.swap.strategy import settle
from demand_pipeline.load.warehouse.schema import TableSchema
from demand_pipeline.operate.pages import ANSWER_BYTES, fitting
from demand_pipeline.postgres.connection import Connection

_SAMPLES_BYTES = ANSWER_BYTES // 4  # for each of three kinds; the rest is for the changed columns


def answer_rollback(connection: Connection, schema: str, arguments: Fields) -> RollbackAnswer:
    """Roll back all tables of the last run."""
    return roll_back(connection, schema, TABLES, RollbackRequest.read(arguments))


def finish_rollback(connection: Connection, schema: str, answer: RollbackAnswer) -> None:
    """Analyse the restored tables, and grant access to the rows of the run that was rolled back."""
    settle(connection, slots_of(schema, [TableSchema.of(TABLES[restored.table]) for restored in answer.tables]))


def answer_diff(connection: Connection, schema: str, arguments: Fields) -> DiffAnswer:
    """Compare one table with its previous rows; return as many samples as fit."""
    request = DiffRequest.read(arguments)
    found = diff_table(connection, schema, TableSchema.of(request.table), request.samples)
    return replace(
        found,
        added_keys=tuple(fitting(found.added_keys, _SAMPLES_BYTES)),
        removed_keys=tuple(fitting(found.removed_keys, _SAMPLES_BYTES)),
        changed_rows=tuple(fitting(found.changed_rows, _SAMPLES_BYTES)),
    )
