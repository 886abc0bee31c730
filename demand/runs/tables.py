"""The progress of a run, by table, derived from the attempts at its tasks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demand.runs.tasks import Attempt, Kind, Outcome
from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case


@dataclass(frozen=True)
class Segment:
    """One segment: `scanned` items were read, and became `staged` rows or `rejected` items. `state` is a word."""

    number: int
    state: str
    chunks: int
    scanned: int
    staged: int
    rejected: int
    seconds: float
    error: str | None


@dataclass(frozen=True)
class TableProgress:
    """A table in a run. `estimated` is DescribeTable's count of items, up to six hours old, None if unknown.

    `segments` contains the started segments, of `segments_total`.
    """

    table: str
    estimated: int | None
    segments_total: int | None
    segments: tuple[Segment, ...]
    chunks: int
    scanned: int
    staged: int
    rejected: int
    sanitized: int
    read_units: float
    bytes: int
    started: datetime | None
    ended: datetime | None

    @property
    def segments_done(self) -> int:
        """Number of completed segments."""
        return sum(segment.state == "done" for segment in self.segments)

    @property
    def is_done(self) -> bool:
        """Whether the whole table is staged."""
        return self.segments_total is not None and self.segments_done == self.segments_total

    @property
    def converted(self) -> int:
        """Number of converted items."""
        return self.staged + self.rejected

    @property
    def share(self) -> float:
        """The completed share, from 0 to 1: by items if their number is known, otherwise by segments."""
        if self.is_done:
            return 1.0
        if self.estimated:
            return min(self.converted / max(self.estimated, self.scanned), 0.99)
        return self.segments_done / self.segments_total if self.segments_total else 0.0

    def seconds(self, now: datetime) -> float:
        """Return the seconds from the first scan to the last transform, or until now."""
        return ((self.ended or now) - self.started).total_seconds() if self.started else 0.0


def progress(attempts: Sequence[Attempt], max_items: int | None = None) -> tuple[TableProgress, ...]:
    """Return every table with a task in the history, in the order of the declarations, then of their first task.

    `max_items` is the run's limit of items per table.
    """
    by_table: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.kind in (Kind.SCAN, Kind.TRANSFORM) and attempt.table:
            by_table.setdefault(attempt.table, []).append(attempt)
    estimates = {table: min(items, max_items or items) for table, items in _estimates(attempts, by_table).items()}
    for table in estimates:
        by_table.setdefault(table, [])
    order = {name: number for number, name in enumerate(TABLES)}
    names = sorted(by_table, key=lambda name: order.get(name, len(order)))
    return tuple(_table(name, by_table[name], estimates.get(name)) for name in names)


def _table(name: str, attempts: Sequence[Attempt], estimated: int | None) -> TableProgress:
    scans = [attempt for attempt in attempts if attempt.kind is Kind.SCAN]
    total = max((int(attempt.request["totalSegments"]) for attempt in scans), default=None)
    by_segment: dict[int, list[Attempt]] = {}
    for attempt in attempts:
        by_segment.setdefault(attempt.segment or 0, []).append(attempt)
    segments = tuple(_segment(number, by_segment[number]) for number in sorted(by_segment))
    done = total is not None and sum(segment.state == "done" for segment in segments) == total
    answers = _answers(attempts)
    return TableProgress(
        table=name,
        estimated=estimated,
        segments_total=total,
        segments=segments,
        chunks=sum(segment.chunks for segment in segments),
        scanned=sum(segment.scanned for segment in segments),
        staged=sum(segment.staged for segment in segments),
        rejected=sum(segment.rejected for segment in segments),
        sanitized=sum(answer.get("sanitized", 0) for answer in answers[Kind.TRANSFORM]),
        read_units=sum(answer.get("readUnits", 0) for answer in answers[Kind.SCAN]),
        bytes=sum(answer.get("bytes", 0) for answer in answers[Kind.SCAN]),
        started=min((attempt.started for attempt in attempts), default=None),
        ended=max((attempt.ended for attempt in attempts if attempt.ended), default=None) if done else None,
    )


def _segment(number: int, attempts: Sequence[Attempt]) -> Segment:
    answers = _answers(attempts)
    last = attempts[-1]
    return Segment(
        number=number,
        state=_state(attempts),
        chunks=len({answer["key"] for answer in answers[Kind.TRANSFORM]}),
        scanned=sum(answer.get("items", 0) for answer in answers[Kind.SCAN]),
        staged=sum(answer.get("staged", 0) for answer in answers[Kind.TRANSFORM]),
        rejected=sum(answer.get("rejected", 0) for answer in answers[Kind.TRANSFORM]),
        seconds=sum(attempt.seconds or 0 for attempt in attempts),
        error=last.error if last.outcome is Outcome.FAILED else None,
    )


def _state(attempts: Sequence[Attempt]) -> str:
    """Return the state: a segment is done if its last scan returned no start keys, and its last chunk is converted."""
    last = attempts[-1]
    if last.outcome is Outcome.FAILED:
        return "retrying" if last.retried else "failed"
    if last.outcome is Outcome.ABORTED:
        return "aborted"
    if last.outcome is Outcome.RUNNING or last.kind is Kind.SCAN:
        return "running"
    scans = [attempt for attempt in attempts if attempt.kind is Kind.SCAN and attempt.outcome is Outcome.SUCCEEDED]
    ended = bool(scans) and scans[-1].answer.get("nextKeys") is None and last.answer.get("nextPage") is None
    return "done" if ended else "running"


def _answers(attempts: Iterable[Attempt]) -> dict[Kind, list[dict[str, Any]]]:
    found: dict[Kind, list[dict[str, Any]]] = {kind: [] for kind in Kind}
    for attempt in attempts:
        if attempt.outcome is Outcome.SUCCEEDED:
            found[attempt.kind].append(dict(attempt.answer))
    return found


def _estimates(attempts: Iterable[Attempt], tables: Iterable[str]) -> dict[str, int]:
    """Return DescribeTable's counts by table: the state's name ends in the table's name."""
    names = {camel_case(name): name for name in (*tables, *TABLES)}
    found = {}
    for attempt in attempts:
        if attempt.kind is Kind.DESCRIBE and attempt.outcome is Outcome.SUCCEEDED:
            suffix = attempt.state.removeprefix("Describe")
            counted = attempt.answer.get("Table", {}).get("ItemCount", 0)
            found[names.get(suffix, suffix)] = int(counted)
    return found
