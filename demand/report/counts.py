"""The four counts of each table, compared with earlier runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from demand.report.facts import Facts
from demand.runs.execution import Run
from demand_pipeline.load.shrinkage import has_shrunk

NAMES = ("scanned", "staged", "rejected", "loaded")
BAR, _GAP, HEIGHT = 6, 2, 32  # pixels


@dataclass(frozen=True)
class Bar:
    """A run in the small chart of a table; `title` is its text."""

    x: int
    y: float
    height: float
    title: str
    is_this: bool


@dataclass(frozen=True)
class TableCounts:
    """A table in this run: a count is None if the run ended before it.

    `usual` are the medians of earlier runs, `change` is the difference between `loaded` and its median. `bars` show
    `loaded` of up to ten earlier runs and of this run, if it is committed.
    """

    table: str
    counts: Mapping[str, int | None]
    usual: Mapping[str, float]
    change: float | None
    balanced: bool | None
    over_limit: bool
    has_shrunk: bool
    bars: tuple[Bar, ...]
    width: int

    @property
    def in_words(self) -> str:
        """The chart as text, for screen readers."""
        return "; ".join(bar.title for bar in self.bars)


def table_counts(facts: Facts) -> list[TableCounts]:
    """Return every known table of the run."""
    own = {str(entry["table"]): entry for entry in facts.run.tables}
    seen = {table.table: table for table in facts.report.tables} if facts.report else {}
    found = []
    for name in own or seen:
        counts: dict[str, int | None]
        if name in own:
            counts = {count: int(own[name][count]) for count in NAMES}
        else:
            counts = {count: getattr(seen[name], count) for count in NAMES[:3]} | {NAMES[3]: None}
        found.append(_table(name, counts, facts))
    return found


def _table(name: str, counts: Mapping[str, int | None], facts: Facts) -> TableCounts:
    earlier = [(run, entry) for run in facts.before if (entry := _entry(run, name))]
    usual = {count: float(median(int(entry[count]) for _, entry in earlier)) for count in NAMES} if earlier else {}
    loaded, scanned = counts["loaded"], counts["scanned"]
    change = loaded / usual["loaded"] - 1 if loaded is not None and usual.get("loaded") else None
    balanced = None
    if loaded is not None and scanned is not None:
        balanced = scanned == (counts["staged"] or 0) + (counts["rejected"] or 0) and counts["staged"] == loaded
    series = [(run, int(entry["loaded"])) for run, entry in reversed(earlier)]
    own = _entry(facts.run, name) if facts.state.is_committed is not False else None
    bars = _bars([*series, *([(facts.run, int(own["loaded"]))] if own else [])], facts.run)
    return TableCounts(
        table=name,
        counts=counts,
        usual=usual,
        change=change,
        balanced=balanced,
        over_limit=facts.over_reject_limit(counts["rejected"] or 0, scanned or 0),
        has_shrunk=any(
            has_shrunk(int(entry["previousRows"]), int(entry["loaded"]))
            for entry in facts.run.tables
            if entry["table"] == name
        ),
        bars=bars,
        width=len(bars) * (BAR + _GAP),
    )


def _entry(run: Run, table: str) -> Mapping[str, Any] | None:
    """Return the counts of a table in a committed run; None for a dry run."""
    entries = [entry for entry in run.tables if entry["table"] == table] if run.committed else []
    return entries[0] if entries else None


def _bars(series: Sequence[tuple[Run, int]], this: Run) -> tuple[Bar, ...]:
    most = max((count for _, count in series), default=0) or 1
    bars = []
    for number, (run, count) in enumerate(series):
        height = max(1.0, round(count / most * HEIGHT, 1))
        title = f"{run.started:%d %b %H:%M}: {count:,}"
        bars.append(Bar(number * (BAR + _GAP), HEIGHT - height, height, title, run is this))
    return tuple(bars)
