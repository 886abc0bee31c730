"""Charts declared by the names of the figures they show."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.figures import Figure
from benchmarks.report.charts import Bar, Line, draw_bars, draw_lines
from benchmarks.report.numbers import number

OURS = {"ours", "handler", "truncate", "merge"}  # what stands out among what it is compared with

WORDS = {
    "ours": "this project",
    "pandas": "pandas + psycopg2",
    "singer": "Singer tap | target",
    "handler": "this project",
    "resource": "boto3 resource",
    "client": "boto3 client",
    "floor": "floor",
    "reading_floor": "floor, from S3",
    "plain_loop": "read, compress, store",
    "no_checks": "without checks",
    "deserializer": "boto3 TypeDeserializer",
    "psql_copy": "psql \\copy (floor)",
    "truncate_first": "TRUNCATE, then COPY",
    "delete_insert": "DELETE, then INSERT",
}
"""What a part of a figure's name is called on the page; any other is printed with its underscores as spaces."""


def words(slug: str) -> str:
    """A part of a figure's name as people read it: `truncate_first`, `1000000`."""
    return number(int(slug)) if slug.isdecimal() else WORDS.get(slug, slug.replace("_", " "))


@dataclass(frozen=True)
class BarChart:
    """Bars of all figures whose name matches; its group `row` names the bar, `series` its colour."""

    file: str
    title: str
    axis: str
    better: str
    pattern: str
    series: str = "{}"  # what a series is called
    log: bool = False
    biggest_first: bool | None = None  # None: in the order they were measured

    @property
    def alternative(self) -> str:
        """What stands for the picture where it cannot be seen."""
        return f"{self.title}, in {self.axis}, {self.better}; the numbers are in the table below"

    def draw(self, figures: Mapping[str, Figure]) -> str | None:
        """The chart as SVG, or None where no figure matches."""
        bars = [
            Bar(words(match["row"]), self._series(match), figure.value, ours=match["row"] in OURS)
            for match, figure in matching(self.pattern, figures)
        ]
        if self.biggest_first is not None:
            bars.sort(key=lambda bar: bar.value, reverse=self.biggest_first)
        return draw_bars(self.title, self.axis, self.better, bars, log=self.log) if bars else None

    def _series(self, match: re.Match[str]) -> str:
        series = match.groupdict().get("series")
        return self.series.format(words(series)) if series else ""


@dataclass(frozen=True)
class LineChart:
    """A line a `series` of all figures whose name matches, over the numbers in their names (`x`)."""

    file: str
    title: str
    axis: str
    pattern: str
    x_axis: str = "items"

    @property
    def alternative(self) -> str:
        """What stands for the picture where it cannot be seen."""
        return f"{self.title}, in {self.axis}; the numbers are in the table below"

    def draw(self, figures: Mapping[str, Figure]) -> str | None:
        """The chart as SVG, or None where no figure matches."""
        points: dict[str, list[tuple[float, float]]] = {}
        for match, figure in matching(self.pattern, figures):
            points.setdefault(words(match["series"]), []).append((int(match["x"]), figure.value))
        lines = [Line(series, sorted(values)) for series, values in points.items()]
        return draw_lines(self.title, self.axis, self.x_axis, lines) if lines else None


@dataclass(frozen=True)
class Grid:
    """A table of all figures whose name matches, its groups `row` and `column` say where a figure stands."""

    corner: str
    pattern: str
    columns: Mapping[str, str] = field(default_factory=dict)  # their headings; any other column's are its words


def matching(pattern: str, figures: Mapping[str, Figure]) -> list[tuple[re.Match[str], Figure]]:
    """The figures without a target whose name matches as a whole."""
    found = ((re.fullmatch(pattern, name), figure) for name, figure in figures.items() if figure.target is None)
    return [(match, figure) for match, figure in found if match]
