"""The actions `rollback` and `diff`: the rows before the last run, brought back or compared with."""

from dataclasses import replace

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.previous import DiffAnswer, DiffRequest, RollbackAnswer, RollbackRequest
from demand_pipeline.load.schema import TableSchema
from demand_pipeline.load.swap.diff import diff_table
from demand_pipeline.load.swap.rollback import roll_back
from demand_pipeline.load.swap.slots import slots_of
from demand_pipeline.load.swap.strategy import settle
from demand_pipeline.operate.pages import ANSWER_BYTES, fitting
from demand_pipeline.postgres.connection import Connection

_SAMPLES_BYTES = ANSWER_BYTES // 4  # of each kind of three; the rest is for the columns that have changed


def answer_rollback(connection: Connection, schema: str, arguments: Fields) -> RollbackAnswer:
    """Roll the last run back, whole."""
    return roll_back(connection, schema, TABLES, RollbackRequest.read(arguments))


def finish_rollback(connection: Connection, schema: str, answer: RollbackAnswer) -> None:
    """After the commit: statistics of what readers have now, and grants on what they had."""
    settle(connection, slots_of(schema, [TableSchema.of(TABLES[restored.table]) for restored in answer.tables]))


def answer_diff(connection: Connection, schema: str, arguments: Fields) -> DiffAnswer:
    """Compare one table with its previous rows; of the samples, as many are shown as fit."""
    request = DiffRequest.read(arguments)
    found = diff_table(connection, schema, TableSchema.of(request.table), request.samples)
    return replace(
        found,
        added_keys=tuple(fitting(found.added_keys, _SAMPLES_BYTES)),
        removed_keys=tuple(fitting(found.removed_keys, _SAMPLES_BYTES)),
        changed_rows=tuple(fitting(found.changed_rows, _SAMPLES_BYTES)),
    )
