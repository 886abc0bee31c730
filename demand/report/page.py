"""The report as one HTML file: nothing is fetched, nothing runs in it, and every text is escaped."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from demand.report.counts import HEIGHT, NAMES, table_counts
from demand.report.facts import Facts
from demand.report.timeline import skews, timeline
from demand.runs.execution import RUNNING, SUCCEEDED
from demand.runs.failure import Failure, message_of
from demand.runs.shrinkage import shrunk_tables
from demand.runs.state import State
from demand.runs.tasks import Kind, place

_PLACES = 5  # named of tasks that failed in the same way
_CUT = 300  # characters of a text that comes from items or errors
# Colour and title of a run whose load said that it had committed, by what the warehouse says.
_ENDS = {
    State.COMMITTED: ("succeeded", "Committed"),
    State.SUPERSEDED: ("succeeded", "Committed, and superseded since"),
    State.ROLLED_BACK: ("over", "Rolled back"),
    State.NOT_COMMITTED: ("over", "Loaded, but not in the warehouse"),
    State.UNKNOWN: ("over", "Loaded; the warehouse was not asked"),
}
_PHASES = {
    Kind.SCAN: "scan: DynamoDB to raw chunks",
    Kind.TRANSFORM: "transform: raw to staged chunks",
    Kind.COPY: "copy: staged chunks to PostgreSQL",
    Kind.LOAD: "load: checks and commit",
}


@dataclass(frozen=True)
class Verdict:
    """How the run ended: a word that decides the colour, and two sentences."""

    word: str
    title: str
    text: str


@dataclass(frozen=True)
class Phase:
    """A kind of task: from its first start to its last end, as shares of the run, and its functions' time in all."""

    name: str
    look: str
    seconds: float
    work: float
    left: float
    width: float


def render(facts: Facts, duration: Callable[[float | None], str]) -> str:
    """The page; `duration` puts seconds into words."""
    environment = Environment(
        loader=PackageLoader("demand.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": duration,
        "moment": _moment,
        "number": _number,
        "cut": _cut,
        "percent": _percent,
        "quoted": shlex.quote,
    }
    ended = facts.run.stopped or facts.made
    template = environment.get_template("report.html")
    return template.render(
        facts=facts,
        verdict=verdict(facts, duration),
        counts=table_counts(facts),
        count_names=NAMES,
        chart_height=HEIGHT,
        timeline=timeline(facts.attempts, ended),
        skews=skews(facts.report.tables) if facts.report else [],
        phases=_phases(facts, ended),
        failures=_failures(facts),
        earlier=[
            _Earlier(place(each.state, each.segment, each.chunk), each.error or "", message_of(each.cause))
            for each in facts.earlier_failures
        ],
    )


@dataclass(frozen=True)
class _Earlier:
    place: str
    error: str
    message: str


@dataclass(frozen=True)
class _Alike:
    """Tasks that failed with the same error: the first in full, the others by their place."""

    error: str
    place: str
    message: str
    others: str
    meaning: str
    action: str
    next: tuple[str, ...]


def _failures(facts: Facts) -> list[_Alike]:
    by_error: dict[str, list[Failure]] = {}
    for failure in facts.report.failures if facts.report else ():
        by_error.setdefault(failure.error, []).append(failure)
    found = []
    for first, *others in by_error.values():
        places = "; ".join(other.place for other in others[:_PLACES])
        more = f", and {len(others) - _PLACES} more" if len(others) > _PLACES else ""
        meaning, action = (text.replace("`", "") for text in (first.meaning, first.action))
        found.append(
            _Alike(first.error, first.place, first.message, places + more, meaning, action, first.first + first.next)
        )
    return found


def verdict(facts: Facts, duration: Callable[[float | None], str]) -> Verdict:
    """What there is to know, if there is time for one sentence."""
    run = facts.run
    took = duration(run.seconds(facts.made))
    redriven = (
        f" It was redriven {run.redrives} times."
        if run.redrives > 1
        else " It was redriven once."
        if run.redrives
        else ""
    )
    state = facts.state
    if run.status == RUNNING:
        return Verdict("running", "Running", f"For {took} so far. {state.sentence}{redriven}")
    if run.status != SUCCEEDED:
        kept = " after its commit" if state.is_committed else ""
        title = f"Failed{kept}: {run.error or run.status}"
        return Verdict("failed", title, f"After {took}. {state.sentence}{redriven}")
    rows = sum(int(entry["loaded"]) for entry in run.tables)
    rejected = sum(int(entry["rejected"]) for entry in run.tables)
    tables = f"{len(run.tables)} table{'' if len(run.tables) == 1 else 's'}"
    if not run.committed:
        return Verdict("dry", "Dry run: counted and rolled back", f"{rows:,} rows of {tables} in {took}.{redriven}")
    rejects = f" {rejected:,} items were rejected." if rejected else " No item was rejected."
    shrunk = shrunk_tables(run.tables)
    text = f"{rows:,} rows of {tables} in {took}.{rejects}{redriven} {state.sentence}"
    text += "".join(f" {each}." for each in shrunk)
    word, title = _ENDS[state.state]
    return Verdict("over", f"{title}, but tables shrank", text) if shrunk else Verdict(word, title, text)


def _phases(facts: Facts, ended: datetime) -> list[Phase]:
    start, total = facts.run.started, max(facts.run.seconds(ended), 0.001)
    found = []
    for kind, name in _PHASES.items():
        members = [attempt for attempt in facts.attempts if attempt.kind is kind]
        if members:
            first = min(attempt.started for attempt in members)
            last = max(attempt.ended or ended for attempt in members)
            seconds = (last - first).total_seconds()
            left = max(0.0, (first - start).total_seconds()) / total
            work = sum(attempt.seconds or 0 for attempt in members)
            found.append(Phase(name, str(kind), seconds, work, 100 * left, max(0.3, 100 * seconds / total)))
    return found


def _moment(when: datetime | str | None) -> str:
    """A time in UTC: the report is read elsewhere."""
    if when is None:
        return "-"
    moment = datetime.fromisoformat(when) if isinstance(when, str) else when
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _percent(share: float) -> str:
    return f"{share:+.1%}"


def _cut(text: Any) -> str:
    shown = " ".join(str(text).split())
    return shown if len(shown) <= _CUT else f"{shown[: _CUT - 1]}…"
