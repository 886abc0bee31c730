"""Runs as recorded in the warehouse, which keeps them for longer than the 90 days of Step Functions."""

import json
from datetime import datetime

from demand.errors import UsageError
from demand.runs.execution import SUCCEEDED, Run
from demand.warehouse import Warehouse
from demand_pipeline.contracts.event import to_camel_case
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.contracts.operating.runs import RecordedRun, RunsAnswer

_LOOKED_AT = 100  # runs among which the beginning of a name is looked for
_NAMED = 5  # runs named in an error


def recorded_runs(warehouse: Warehouse, *, before: datetime, most: int) -> tuple[Run, ...]:
    """Return the committed runs that started before a time and were not rolled back, the last one first."""
    answer = warehouse.ask(RunsAnswer, ActionName.RUNS, runs=None, before=before.isoformat(), most=most)
    return tuple(map(_run, answer.runs))


def recorded_run(warehouse: Warehouse, name: str) -> Run | None:
    """Return a committed run by its full name."""
    answer = warehouse.ask(RunsAnswer, ActionName.RUNS, runs=[name], before=None, most=1)
    return _run(answer.runs[0]) if answer.runs else None


def last_run(warehouse: Warehouse) -> RecordedRun | None:
    """Return the last committed run that was not rolled back."""
    answer = warehouse.ask(RunsAnswer, ActionName.RUNS, runs=None, before=None, most=_LOOKED_AT)
    return max(answer.runs, key=lambda run: datetime.fromisoformat(run.committed_at), default=None)


def full_name(warehouse: Warehouse, given: str) -> str:
    """Return the full name of a committed run, given its beginning or the ARN; return an unknown name unchanged.

    Raises UsageError, which names the matching runs, if there are several.
    """
    name = given.rpartition(":")[2]
    answer = warehouse.ask(RunsAnswer, ActionName.RUNS, runs=None, before=None, most=_LOOKED_AT)
    alike = [run.run for run in answer.runs if run.run.startswith(name)]
    if len(alike) > 1 and name not in alike:
        raise UsageError(f"several runs begin with {name!r}: {', '.join(alike[:_NAMED])}", "name more of it")
    return alike[0] if len(alike) == 1 else name


def _run(recorded: RecordedRun) -> Run:
    """Describe the run as Step Functions would."""
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
