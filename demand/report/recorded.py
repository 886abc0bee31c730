"""Runs as the warehouse remembers them: longer than Step Functions does, which forgets a run after 90 days."""

import json
from datetime import datetime

from demand.runs.execution import SUCCEEDED, Run
from demand.warehouse import Warehouse
from demand_pipeline.contracts.event import to_camel_case
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.contracts.operating.runs import RecordedRun, RunsAnswer


def recorded_runs(warehouse: Warehouse, *, before: datetime, most: int) -> tuple[Run, ...]:
    """The committed runs that were started before a time and not rolled back, the last one first."""
    answer = warehouse.ask(RunsAnswer, ActionName.RUNS, runs=None, before=before.isoformat(), most=most)
    return tuple(map(_run, answer.runs))


def recorded_run(warehouse: Warehouse, name: str) -> Run | None:
    """A committed run by its whole name."""
    answer = warehouse.ask(RunsAnswer, ActionName.RUNS, runs=[name], before=None, most=1)
    return _run(answer.runs[0]) if answer.runs else None


def _run(recorded: RecordedRun) -> Run:
    """As Step Functions would describe it."""
    return Run(
        name=recorded.run,
        arn=recorded.arn,
        status=SUCCEEDED,
        started=datetime.fromisoformat(recorded.started_at),
        stopped=datetime.fromisoformat(recorded.committed_at),
        input=json.loads(recorded.input),
        output={"committed": True, "tables": [to_camel_case(table) for table in recorded.tables]},
        error=None,
        cause=None,
        redrives=0,
        redriven=None,
        redrivable=False,
        redrive_refusal=None,
    )
