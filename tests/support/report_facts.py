"""Facts of made-up runs for tests of the report: one that succeeded, one that failed, one full of hostile text."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from demand.drift import Change, Drift
from demand.report.facts import Facts
from demand.runs.execution import Run
from demand.runs.report import report
from demand.runs.state import InWarehouse, State
from demand.runs.tasks import Attempt, Kind, Outcome, Tasks
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.operating.rejects import RejectReason, RejectSample
from demand_pipeline.contracts.operating.status import TableStatus

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
HOSTILE = "</title></style><script>window.owned = 1</script><img src=x onerror='window.owned = 1'>\" onload=\"owned=1"
_SECOND = timedelta(seconds=1)


def run(number: int = 0, *, loaded: int = 1000, **changes: Any) -> Run:
    """The run of a night, `number` days ago."""
    tables = [
        {
            "table": name, "segments": 4, "chunks": 8, "scanned": loaded + 10, "staged": loaded, "rejected": 10,
            "sanitized": 0, "loaded": loaded, "inserted": loaded, "updated": 0, "deleted": 0, "previousRows": loaded - 1,
            "readUnits": 12.5, "bytes": 1_000_000, "loadSeconds": 3.5,
        }
        for name in TABLES
    ]  # fmt: skip
    started = NOW - timedelta(days=number)
    made = Run(
        name=f"nightly-{started:%Y%m%d}", arn="arn:run", status="SUCCEEDED", started=started,
        stopped=started + timedelta(seconds=130), input={}, output={"committed": True, "tables": tables}, error=None,
        cause=None, redrives=0, redriven=None, redrivable=False, redrive_refusal=None,
    )  # fmt: skip
    return replace(made, **changes)


def attempts(segments: int = 4, chunks: int = 2) -> list[Attempt]:
    """Scans and transforms of every table, copies, and the load; later segments take longer."""
    found = []
    for table in TABLES:
        for segment in range(segments):
            at = NOW
            for chunk in range(chunks):
                for kind in (Kind.SCAN, Kind.TRANSFORM):
                    ended = at + (8 + 3 * segment) * _SECOND
                    answer = {"items": 125, "readUnits": 1.5, "bytes": 100, "key": f"{table}/{segment}/{chunk}", "nextKeys": None, "staged": 125, "rejected": 0, "sanitized": 0, "nextPage": None}  # fmt: skip
                    request = {"totalSegments": segments}
                    found.append(Attempt(kind, f"{kind.title()}{table.title()}", table, segment, chunk, at, request, ended=ended, outcome=Outcome.SUCCEEDED, answer=answer))  # fmt: skip
                    at = ended
    for number in range(12):
        begun = NOW + (80 + 10 * (number // 4)) * _SECOND
        found.append(Attempt(Kind.COPY, "CopyChunk", "cases", None, None, begun, {}, ended=begun + 9 * _SECOND, outcome=Outcome.SUCCEEDED))  # fmt: skip
    found.append(Attempt(Kind.LOAD, "LoadWarehouse", None, None, None, NOW + 115 * _SECOND, {}, ended=NOW + 125 * _SECOND, outcome=Outcome.SUCCEEDED))  # fmt: skip
    return found


def change(table: str, path: str, kind: str, column: str | None = None) -> Change:
    return Change(table, "nightly", kind, path, ("N",), 412, column)


def facts(of: Run | None = None, tried: list[Attempt] | None = None) -> Facts:
    """A run with everything around it."""
    of = of or run()
    tasks = Tasks()
    tasks.attempts = attempts() if tried is None else tried
    tasks.has_ended = True
    samples = (RejectSample('{"documentId": "doc-1"}', "due_date: expected date, got S '31/12/2026'"),)
    return Facts(
        made=NOW + timedelta(hours=1), stack="demand-pipeline-prod", region="eu-west-1", run=of, state=InWarehouse(State.COMMITTED if of.committed else State.NOT_COMMITTED),
        report=report(of, tasks), attempts=tuple(tasks.attempts),
        before=tuple(run(number, loaded=1000 - 10 * number) for number in range(1, 11)),
        warehouse=tuple(
            TableStatus(name, None, of.name, "arn:run", NOW.isoformat(), NOW.isoformat(), 3600.0, 1000, 10)
            for name in TABLES
        ),
        reasons=(RejectReason(of.name, "cases", "due_date: expected date", 10, samples),), reasons_complete=True,
        drift=Drift((change("cases", "amounts.discount", "new", 'Column("amounts_discount", …),'), change("audit", "actor", "retyped")), {"metadata": "run nightly is the first that counted it"}),
        settings=(("ChunkBytes", "268435456"), ("LoadStrategy", "truncate")), versions=(("demand-pipeline", "0.1.0"),),
        missing=(),
    )  # fmt: skip


def failed_facts(
    error: str = "StagingError", cause: str = "runs/1/raw/cases/0: expected an object, found none"
) -> Facts:
    """A run of which one segment failed, before anything was loaded."""
    tried = [attempt for attempt in attempts() if attempt.kind in (Kind.SCAN, Kind.TRANSFORM)]
    last = tried[-1]
    tried[-1] = replace(last, outcome=Outcome.FAILED, error=error, cause=cause, answer={})
    return facts(run(status="FAILED", output=None, error=error, cause=cause, redrivable=True), tried)


def hostile_facts() -> Facts:
    """Every text that comes from outside is an attempt to be more than text."""
    made = failed_facts(HOSTILE, HOSTILE)
    sample = RejectSample(HOSTILE, HOSTILE)
    return replace(
        made,
        stack=HOSTILE,
        run=replace(made.run, name=HOSTILE, input={HOSTILE: HOSTILE}),
        attempts=tuple(replace(attempt, table=HOSTILE) for attempt in made.attempts),
        warehouse=(TableStatus(HOSTILE, None, HOSTILE, None, None, None, None, 1, 1),),
        reasons=(RejectReason(HOSTILE, HOSTILE, HOSTILE, 1, (sample,)),),
        drift=Drift((Change(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), 1, HOSTILE),), {HOSTILE: HOSTILE}),
        settings=((HOSTILE, HOSTILE),),
        missing=(HOSTILE,),
    )
