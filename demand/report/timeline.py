"""The run over time as shapes: one lane per segment, and lanes for copies and the load.

Widths are in thousandths of the picture, which is as wide as the page; heights are in pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from statistics import mean

from demand.runs.tables import TableProgress
from demand.runs.tasks import Attempt, Kind, Outcome
from demand_pipeline.builders import TABLES

WIDTH = 1000
_MANY = 60  # lanes, above which each is lower
_TALL, _LOW = 12, 5
_GAP = 2
_LEAST = 2.0  # of a bar
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_MOST_TICKS = 8
_TOLD = 20  # lanes of a group that the text describes


@dataclass(frozen=True)
class Bars:
    """Bars of one style, as the data of one SVG path."""

    look: str
    path: str


@dataclass(frozen=True)
class Lane:
    """One row of a group; `title` describes it."""

    title: str
    y: float
    height: float
    bars: tuple[Bars, ...]


@dataclass(frozen=True)
class Group:
    """The lanes of a table, of the copies or of the load: one picture below its label."""

    label: str
    height: float
    lanes: tuple[Lane, ...]

    @property
    def in_words(self) -> str:
        """The first lanes as text, for screen readers."""
        return "; ".join(lane.title for lane in self.lanes[:_TOLD])


@dataclass(frozen=True)
class Tick:
    """A moment on the axis."""

    x: float
    label: str


@dataclass(frozen=True)
class Timeline:
    """All pictures, which share the axis below them."""

    width: int
    groups: tuple[Group, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class _Scale:
    """Moments as horizontal places."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return max((self.end - self.start).total_seconds(), 0.001)

    def width(self, seconds: float) -> float:
        return seconds * WIDTH / self.seconds

    def x(self, moment: datetime) -> float:
        return self.width((moment - self.start).total_seconds())


def timeline(attempts: Sequence[Attempt], end: datetime) -> Timeline | None:
    """Draw the attempts at tasks up to `end`; None if there are none."""
    drawn = [attempt for attempt in attempts if attempt.kind is not Kind.DESCRIBE]
    if not drawn:
        return None
    start = min(attempt.started for attempt in drawn)
    scale = _Scale(start, max([end, *(attempt.ended or end for attempt in drawn)]))
    rows = list(_lanes(drawn))
    height = _TALL if len(rows) <= _MANY else _LOW
    step = height + _GAP
    groups = []
    for label, members in groupby(rows, key=lambda row: row[0]):
        lanes = tuple(
            Lane(title, number * step, height, _bars(tried, number * step, height, scale))
            for number, (_, title, tried) in enumerate(members)
        )
        groups.append(Group(label, len(lanes) * step - _GAP, lanes))
    return Timeline(WIDTH, tuple(groups), tuple(_ticks(scale)))


def _lanes(attempts: Sequence[Attempt]) -> Iterable[tuple[str, str, list[Attempt]]]:
    """Label, title and attempts of each lane: segments by table, then copies, then the load."""
    segments: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in attempts:
        if attempt.kind in (Kind.SCAN, Kind.TRANSFORM):
            segments.setdefault((attempt.table or "", attempt.segment or 0), []).append(attempt)
    order = {name: number for number, name in enumerate(TABLES)}
    for table in sorted({table for table, _ in segments}, key=lambda name: (order.get(name, len(order)), name)):
        for number in sorted(number for name, number in segments if name == table):
            members = segments[table, number]
            items = sum(int(attempt.answer.get("items", 0)) for attempt in members if attempt.kind is Kind.SCAN)
            seconds = sum(attempt.seconds or 0 for attempt in members)
            yield table, f"{table}, segment {number}: {items:,} items, {seconds:,.1f} s", members
    for number, members in enumerate(_packed([attempt for attempt in attempts if attempt.kind is Kind.COPY]), 1):
        yield "copies", f"copies, {number} at the same time: {len(members):,} chunks", members
    if loads := [attempt for attempt in attempts if attempt.kind is Kind.LOAD]:
        yield "load", f"load: {len(loads)} calls, {sum(load.seconds or 0 for load in loads):,.1f} s", loads


def _packed(attempts: Iterable[Attempt]) -> list[list[Attempt]]:
    """Distribute attempts to as few lanes as possible without overlap."""
    lanes: list[list[Attempt]] = []
    for attempt in sorted(attempts, key=lambda attempt: attempt.started):
        for lane in lanes:
            if lane[-1].ended is not None and lane[-1].ended <= attempt.started:
                lane.append(attempt)
                break
        else:
            lanes.append([attempt])
    return lanes


def _bars(attempts: Iterable[Attempt], y: float, height: float, scale: _Scale) -> tuple[Bars, ...]:
    paths: dict[str, list[str]] = {}
    for attempt in attempts:
        left = scale.x(attempt.started)
        width = max(scale.x(attempt.ended or scale.end) - left, _LEAST)
        paths.setdefault(_look(attempt), []).append(f"M{left:.1f} {y:.1f}h{width:.1f}v{height}h-{width:.1f}z")
    return tuple(Bars(look, "".join(each)) for look, each in paths.items())


def _look(attempt: Attempt) -> str:
    if attempt.outcome in (Outcome.FAILED, Outcome.ABORTED):
        return str(attempt.outcome)
    return str(attempt.kind)


def _ticks(scale: _Scale) -> Iterable[Tick]:
    step = next((step for step in _STEPS if scale.seconds / step <= _MOST_TICKS), _STEPS[-1])
    for number in range(min(int(scale.seconds // step), 10 * _MOST_TICKS) + 1):
        yield Tick(round(scale.width(number * step), 1), _clock(number * step))


def _clock(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


@dataclass(frozen=True)
class Skew:
    """The skew of a table's segments: the largest one, compared with the mean."""

    table: str
    segments: int
    largest: int
    items: int
    share: float
    slowest: int
    seconds: float


def skews(tables: Iterable[TableProgress]) -> list[Skew]:
    """The skew of each table that has segments."""
    found = []
    for table in tables:
        segments = table.segments
        if not segments:
            continue
        largest = max(segments, key=lambda segment: segment.scanned)
        slowest = max(segments, key=lambda segment: segment.seconds)
        average = mean(segment.scanned for segment in segments)
        share = largest.scanned / average if average else 1.0
        found.append(
            Skew(table.table, len(segments), largest.number, largest.scanned, share, slowest.number, slowest.seconds)
        )
    return found
