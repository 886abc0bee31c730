"""The action `runs`: what committed runs did to their tables, also those that Step Functions has forgotten."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import LoadedTable
from demand_pipeline.contracts.operating.runs import RecordedRun, RunsAnswer, RunsRequest
from demand_pipeline.load.control_tables import PIPELINE_RUN_TABLES
from demand_pipeline.operate.pages import fitting
from demand_pipeline.operate.status import exists
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import statement

_OF_RUN = 5  # columns, before those of its table


def answer(connection: Connection, schema: str, arguments: Fields) -> RunsAnswer:
    """The runs that were asked for; before the first run there are none."""
    request = RunsRequest.read(arguments)
    if not exists(connection, schema, PIPELINE_RUN_TABLES.name):
        return RunsAnswer(())
    rows = connection.query(
        statement("recorded_runs", schema=schema), run=request.run, before=request.before, most=request.most
    )
    found = [
        RecordedRun(run, arn, started.isoformat(), committed.isoformat(), given, _tables(members))
        for (run, arn, started, committed, given), members in groupby(rows, itemgetter(*range(_OF_RUN)))
    ]
    return RunsAnswer(tuple(fitting(found)))


def _tables(rows: Iterable[Sequence[Any]]) -> tuple[LoadedTable, ...]:
    return tuple(LoadedTable(*row[_OF_RUN:]) for row in rows)
