"""The action `runs`: the counts of committed runs, including runs that Step Functions no longer lists."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import LoadedTable
from demand_pipeline.contracts.operating.runs import RecordedRun, RunsAnswer, RunsRequest
from demand_pipeline.load.warehouse.control_tables import PIPELINE_RUN_TABLES
from demand_pipeline.operate.pages import fitting
from demand_pipeline.operate.status import exists
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Statements

statement = Statements(__package__)

_OF_RUN = 9  # columns of the run; the run whose rows the table contains and the table's columns follow


def answer(connection: Connection, schema: str, arguments: Fields) -> RunsAnswer:
    """Return the requested runs."""
    request = RunsRequest.read(arguments)
    if not exists(connection, schema, PIPELINE_RUN_TABLES.name):
        return RunsAnswer((), complete=True)
    rows = connection.query(
        statement("recorded_runs", schema=schema),
        runs=None if request.runs is None else list(request.runs),
        before=request.before,
        most=request.most,
    )
    found = [_run(run, list(members)) for run, members in groupby(rows, itemgetter(*range(_OF_RUN)))]
    runs = fitting(found)
    return RunsAnswer(tuple(runs), complete=len(runs) == len(found))


def _run(run: Sequence[Any], rows: Sequence[Sequence[Any]]) -> RecordedRun:
    name, arn, started, committed, given, status, rolled_back, by, reason = run
    tables = tuple(LoadedTable(*row[_OF_RUN + 1 :]) for row in rows)
    holders = {table.table: row[_OF_RUN] for table, row in zip(tables, rows, strict=True)}
    return RecordedRun(
        name,
        arn,
        started.isoformat(),
        committed.isoformat(),
        given,
        status,
        rolled_back.isoformat() if rolled_back else None,
        by,
        reason,
        tables,
        holds=tuple(table for table, holder in holders.items() if holder == name),
        replaced_by=tuple(dict.fromkeys(holder for holder in holders.values() if holder not in (None, name))),
    )
