"""The outcome of a run in plain words. The page's title and heading and the summary for a chat share them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from demand.report.facts import Facts
from demand.runs.execution import SUCCEEDED
from demand.runs.shrinkage import shrunk_tables
from demand.runs.state import State
from demand_pipeline.builders import TABLES
from demand_pipeline.cure import Then
from demand_pipeline.errors import RejectLimitError, ShrinkLimitError

_TABLES = 2  # named in the title

type Duration = Callable[[float | None], str]

# Tone and end of the title for a run whose load reported a commit, by its state in the warehouse.
_ENDS = {
    State.COMMITTED: ("succeeded", "are committed"),
    State.SUPERSEDED: ("succeeded", "were committed, and later replaced"),
    State.NOT_COMMITTED: ("over", "were loaded, but are not in the warehouse"),
    State.UNKNOWN: ("over", "were loaded, but the warehouse could not be asked"),
}


@dataclass(frozen=True)
class Headline:
    """`tone` decides the colour: succeeded, failed, running, dry, or over if it needs attention. `text` has details."""

    tone: str
    title: str
    text: str
    run: str


def headline(facts: Facts, duration: Duration) -> Headline:
    """Return the outcome and what analysts see as a title; `duration` formats seconds."""
    tone, event = _event(facts, duration)
    title = f"{event}; {_seen(facts)}"
    run = facts.run
    return Headline(
        tone=tone,
        title=title[0].upper() + title[1:],
        text=" ".join(_sentences(facts, duration)),
        run=f"Run {run.name} of stack {facts.stack} in {facts.region}, started at {run.started:%Y-%m-%d %H:%M} UTC",
    )


def _event(facts: Facts, duration: Duration) -> tuple[str, str]:
    """Return the tone and the outcome."""
    run, state = facts.run, facts.state
    if run.is_running:
        is_stuck = bool(facts.report and facts.report.load.attempt > 1)
        return "over" if is_stuck else "running", f"running for {duration(run.seconds(facts.made))}, {_stage(facts)}"
    if state.state is State.ROLLED_BACK:
        when = f" at {_clock(state.rolled_back_at, facts.made)}" if state.rolled_back_at else ""
        return "over", f"the run was rolled back{when}"
    if run.status != SUCCEEDED:
        return "failed", f"committed, but then {_failure(facts)}" if state.is_committed else _failure(facts)
    rows = _rows(facts)
    if not run.committed:
        return "dry", f"dry run: {rows} were counted and rolled back"
    if shrunk := shrunk_tables(run.tables):
        return "over", f"table {shrunk[0]}" + (f" ({len(shrunk) - 1} more shrank)" if shrunk[1:] else "")
    tone, end = _ENDS[state.state]
    return tone, f"{rows} {end}"


def _stage(facts: Facts) -> str:
    """The progress of a running run."""
    report = facts.report
    if report is None:
        return "progress unknown"
    if report.load.started:
        return f"now {report.load.state}"
    wanted = _tables_of(facts)
    return f"{sum(table.is_done for table in report.tables)} of {len(wanted)} tables are read"


def _failure(facts: Facts) -> str:
    run = facts.run
    failure = facts.report.failures[0] if facts.report and facts.report.failures else None
    if failure is None:
        return f"the run failed with {run.error or run.status}"
    found = {RejectLimitError.__name__: _rejects, ShrinkLimitError.__name__: _shrinkage}.get(failure.error)
    meaning = failure.meaning.replace("`", "")
    if Then.LOGS in failure.then:  # the meaning alone is not specific
        meaning += f" ({failure.error})"
    return (found(facts) if found else "") or meaning


def _rejects(facts: Facts) -> str:
    """Describe the tables above the limit of rejects; empty if the history does not show it."""
    over = [
        f"{table.rejected:,} of {table.scanned:,} items of {table.table}"
        for table in (facts.report.tables if facts.report else ())
        if facts.over_reject_limit(table.rejected, table.scanned)
    ]
    if over[_TABLES:]:
        over[_TABLES:] = [f"items of {len(over) - _TABLES} more tables"]
    return f"{_listed(over)} did not fit, the limit is {facts.limit('maxRejectPercent'):g} %" if over else ""


def _shrinkage(facts: Facts) -> str:
    """Describe the tables that would shrink too much; empty unless the warehouse still has the rows before the run."""
    limit = facts.limit("maxShrinkPercent")
    now = {table.table: table for table in facts.warehouse or ()}
    shrinking = []
    for table in facts.report.tables if facts.report else ():
        before = now.get(table.table)
        if limit is None or not before or not before.loaded or not before.committed_at:
            continue
        is_older = datetime.fromisoformat(before.committed_at) < (facts.run.stopped or facts.made)
        if is_older and (before.loaded - table.staged) * 100 > limit * before.loaded:
            shrinking.append(f"table {table.table} would shrink from {before.loaded:,} to {table.staged:,} rows")
    return f"{_listed(shrinking)}, the limit is {limit:g} %" if shrinking else ""


def _seen(facts: Facts) -> str:
    """Describe the run whose rows analysts see in the tables."""
    if facts.warehouse is None:
        return "what analysts see is unknown"
    wanted = _tables_of(facts)
    loaded = [table for table in facts.warehouse if table.table in wanted and table.committed_at]
    if not loaded:
        return "analysts see no rows yet"
    if all(table.run == facts.run.name and table.arn == facts.run.arn for table in loaded):
        return "analysts see the rows of this run"
    times = sorted(datetime.fromisoformat(table.committed_at or "") for table in loaded)
    first, last = _clock(times[0], facts.made), _clock(times[-1], facts.made)
    return f"analysts see the rows of {first}" + (f" to {last}" if first != last else "")


def _sentences(facts: Facts, duration: Duration) -> Iterable[str]:
    run, report = facts.run, facts.report
    took = duration(run.seconds(facts.made))
    if report and report.failures:
        failure = report.failures[0]
        yield f"{failure.error}{f' in {failure.place}' if failure.state else ''} after {took}."
    elif run.output is not None:
        rejected = sum(int(entry["rejected"]) for entry in run.tables)
        yield f"It took {took}. {f'{rejected:,} items were' if rejected else 'No item was'} rejected."
    elif not run.is_running:
        yield f"It took {took}."
    if report and report.load.problem:
        yield f"Attempt {report.load.attempt} of the load follows {report.load.problem.rstrip('.')}."
    if run.redrives:
        yield f"It was redriven {'once' if run.redrives == 1 else f'{run.redrives} times'}."
    # A report is shared, so it contains only the name of an ARN, not the account.
    by = facts.state.rolled_back_by
    yield replace(facts.state, rolled_back_by=by and by.rpartition(":")[2]).sentence.rstrip(".") + "."
    yield from (f"{sentence}." for sentence in shrunk_tables(run.tables)[1:])


def _rows(facts: Facts) -> str:
    tables = facts.run.tables
    rows = sum(int(entry["loaded"]) for entry in tables)
    return f"{rows:,} rows of {len(tables)} table{'' if len(tables) == 1 else 's'}"


def _tables_of(facts: Facts) -> list[str]:
    """Return the tables that the run was to load; all, if its input contains no valid list."""
    given = facts.run.input.get("tables")
    return [name for name in TABLES if isinstance(given, list) and name in given] or list(TABLES)


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _clock(when: datetime, made: datetime) -> str:
    """Format a time, with the date unless it is the report's date."""
    moment, today = when.astimezone(UTC), made.astimezone(UTC).date()
    return f"{moment:%H:%M} UTC" if moment.date() == today else f"{moment:%d %b %H:%M} UTC"
