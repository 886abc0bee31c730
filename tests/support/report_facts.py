"""Facts of made-up runs for tests of the report: how runs end, and one full of hostile text."""

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
FIRST = next(iter(TABLES))
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
    holder = of if of.committed else run(1)
    samples = (RejectSample('{"documentId": "doc-1"}', "due_date: expected date, got S '31/12/2026'"),)
    return Facts(
        made=NOW + timedelta(hours=1), stack="demand-pipeline-prod", region="eu-west-1", run=of, state=InWarehouse(State.COMMITTED if of.committed else State.NOT_COMMITTED),
        report=report(of, tasks), attempts=tuple(tasks.attempts),
        before=tuple(run(number, loaded=1000 - 10 * number) for number in range(1, 11)),
        warehouse=tuple(
            TableStatus(name, None, holder.name, holder.arn, holder.started.isoformat(), holder.started.isoformat(), 3600.0, 1000, 10)
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


def over_limit_facts() -> Facts:
    """A run that failed at its load: 44 of the 1,000 items of one table did not fit."""
    tried = [attempt for attempt in attempts(segments=1, chunks=1) if attempt.kind in (Kind.SCAN, Kind.TRANSFORM)]
    for number, attempt in enumerate(tried):
        rejected = 44 if attempt.table == FIRST else 0
        counted = {"items": 1000, "staged": 1000 - rejected, "rejected": rejected}
        tried[number] = replace(attempt, answer={**attempt.answer, **counted})
    cause = f"{FIRST}: 44 of 1000 items rejected, 4.40%, and MaxRejectPercent (run input: maxRejectPercent) is 1"
    failed: dict[str, Any] = {"error": "RejectLimitError", "cause": cause}
    request = {"tables": [], "maxRejectPercent": 1, "maxShrinkPercent": 20}
    tried.append(Attempt(Kind.LOAD, "LoadWarehouse", None, None, None, NOW + 115 * _SECOND, request, ended=NOW + 125 * _SECOND, outcome=Outcome.FAILED, **failed))  # fmt: skip
    found = facts(run(status="FAILED", output=None, redrivable=True, **failed), tried)
    reasons = (RejectReason(found.run.name, FIRST, "due_date: expected date", 40, ()), RejectReason(found.run.name, FIRST, "net_amount: expected numeric", 4, ()))  # fmt: skip
    return replace(found, reasons=reasons)


def rolled_back_facts() -> Facts:
    """A run that was committed, and rolled back half an hour later."""
    by: dict[str, Any] = {
        "rolled_back_at": NOW + 1800 * _SECOND,
        "rolled_back_by": "arn:aws:iam::111122223333:user/ana",
        "reason": "the collector wrote test data",
    }
    made = facts()
    return replace(made, state=InWarehouse(State.ROLLED_BACK, NOW, **by), warehouse=facts(run(output=None)).warehouse)


def dry_facts() -> Facts:
    """A run that was rolled back after its counts."""
    return facts(run(output={"committed": False, "tables": run().tables}))


def running_facts() -> Facts:
    """A run that still reads its last tables."""
    now = NOW + 60 * _SECOND
    begun = [attempt for attempt in attempts() if attempt.started < now]
    tried = [
        replace(attempt, ended=None, outcome=Outcome.RUNNING, answer={}) if (attempt.ended or now) > now else attempt
        for attempt in begun
    ]
    return replace(facts(run(status="RUNNING", output=None, stopped=None), tried), made=now)


def shrunk_facts() -> Facts:
    """A run that committed, although its first table lost nearly a third of its rows."""
    made = run()
    first, *others = made.tables
    shrunk = {**first, "scanned": 710, "staged": 700, "loaded": 700, "previousRows": 1000}
    return facts(replace(made, output={"committed": True, "tables": [shrunk, *others], "warnings": ["view mine.v depends on it"]}))  # fmt: skip


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
