"""The report as one HTML file: it fetches nothing, contains no scripts, and escapes every text."""

from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from demand.report import words
from demand.report.counts import BAR, HEIGHT, NAMES, table_counts
from demand.report.facts import Facts
from demand.report.failures import alike
from demand.report.headline import Duration, headline
from demand.report.timeline import skews, timeline
from demand.runs.failure import message_of
from demand.runs.options import pasted
from demand.runs.tasks import Kind, place

_PHASES = {
    Kind.SCAN: "scan: DynamoDB to raw chunks",
    Kind.TRANSFORM: "transform: raw to staged chunks",
    Kind.COPY: "copy: staged chunks to PostgreSQL",
    Kind.LOAD: "load: checks and commit",
}


@dataclass(frozen=True)
class Phase:
    """A kind of task, from its first start to its last end as shares of the run, and its functions' total time."""

    name: str
    look: str
    seconds: float
    work: float
    left: float
    width: float


def render(facts: Facts, duration: Duration) -> str:
    """Return the page; `duration` formats seconds."""
    environment = Environment(
        loader=PackageLoader("demand.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": duration,
        "moment": words.moment,
        "number": words.number,
        "percent": words.percent,
        "value": words.value,
        "cut": words.cut,
    }
    ended = facts.run.stopped or facts.made
    failures = alike(facts)
    template = environment.get_template("report.html")
    return template.render(
        facts=facts,
        head=headline(facts, duration),
        counts=table_counts(facts),
        count_names=NAMES,
        bar_width=BAR,
        chart_height=HEIGHT,
        timeline=timeline(facts.attempts, ended),
        skews=skews(facts.report.tables) if facts.report else [],
        phases=_phases(facts, ended),
        failures=failures,
        rejects_first=any(failure.by_rejects for failure in failures),
        reject_command=pasted("rejects", facts.run.name, "--export", "FILE"),
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
