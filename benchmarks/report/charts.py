"""The two kinds of chart: bars for what is compared, lines for what grows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.report.numbers import number
from benchmarks.report.svg import SERIES, Drawing, Scale

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 190, 80, 62, 52
_BAR, _GAP, _PLOT = 20, 12, 220


@dataclass(frozen=True)
class Bar:
    """One value; bars of one row stand together, those of one series have one colour."""

    row: str
    series: str
    value: float
    ours: bool = False


@dataclass(frozen=True)
class Line:
    """Values of one series over the sizes they were measured at."""

    series: str
    points: Sequence[tuple[float, float]]


def draw_bars(title: str, axis: str, better: str, bars: Sequence[Bar], *, log: bool = False) -> str:
    """Horizontal bars, each with its value; on a logarithmic axis dots, for a bar's length would mean nothing there."""
    axis = f"{axis}, logarithmic" if log else axis
    rows, series = _unique(bar.row for bar in bars), _unique(bar.series for bar in bars)
    legend = len(series) > 1
    top = _TOP + 22 * legend
    height = top + len(bars) * _BAR + len(rows) * _GAP + _BOTTOM
    drawing = Drawing(_WIDTH, height, title, _told(f"{axis}, {better}", [(_name(bar), bar.value) for bar in bars]))
    _head(drawing, better, series if legend else [])
    scale = Scale.around([bar.value for bar in bars], (_LEFT, _WIDTH - _RIGHT), log=log)
    for tick in scale.ticks():
        drawing.line([(scale(tick), top), (scale(tick), height - _BOTTOM)], "grid")
        drawing.text(scale(tick), height - _BOTTOM + 18, number(tick), "soft", "middle")
    y = top + _GAP / 2
    for row in rows:
        members = [bar for bar in bars if bar.row == row]
        drawing.text(_LEFT - 10, y + len(members) * _BAR / 2 + 4, row, anchor="end")
        for bar in members:
            style = f"s{series.index(bar.series) % SERIES}" if legend else "s0" if bar.ours else "other"
            _mark(drawing, scale, (y, bar.value), style)
            drawing.text(scale(bar.value) + 8, y + _BAR / 2 + 4, number(bar.value))
            y += _BAR
        y += _GAP
    drawing.text((_LEFT + _WIDTH - _RIGHT) / 2, height - 14, axis, "soft", "middle")
    return drawing.render()


def draw_lines(title: str, axis: str, x_axis: str, lines: Sequence[Line]) -> str:
    """Lines over a logarithmic axis of sizes, each with its name and last value at its end."""
    left, right, height = 80, 150, _TOP + _PLOT + _BOTTOM
    points = [(f"{line.series} at {number(x)}", y) for line in lines for x, y in line.points]
    drawing = Drawing(_WIDTH, height, title, _told(axis, points))
    _head(drawing, "", [])
    x_scale = Scale.around([x for line in lines for x, _ in line.points], (left, _WIDTH - right), log=True)
    y_scale = Scale.around([y for _, y in points], (_TOP + _PLOT, _TOP))
    for tick in y_scale.ticks():
        drawing.line([(left, y_scale(tick)), (_WIDTH - right, y_scale(tick))], "grid")
        drawing.text(left - 8, y_scale(tick) + 4, number(tick), "soft", "end")
    for tick in x_scale.ticks():
        drawing.text(x_scale(tick), _TOP + _PLOT + 20, number(tick), "soft", "middle")
    drawing.sideways(22, _TOP + _PLOT / 2, axis)
    drawing.text((left + _WIDTH - right) / 2, height - 12, x_axis, "soft", "middle")
    lowest = float(height)
    ends = sorted(enumerate(lines), key=lambda line: -y_scale(line[1].points[-1][1]))
    for place, line in ends:
        style = f"s{place % SERIES}"
        path = [(x_scale(x), y_scale(y)) for x, y in line.points]
        drawing.line(path, style, 2)
        for x, y in path:
            drawing.dot(x, y, style)
        # Names of lines that end close together are moved apart, upwards.
        lowest = min(path[-1][1], lowest - 17)
        drawing.text(path[-1][0] + 12, lowest + 4, f"{line.series} {number(line.points[-1][1])}", style)
    return drawing.render()


def _head(drawing: Drawing, subtitle: str, legend: Sequence[str]) -> None:
    drawing.text(20, 28, drawing.title, "title")
    if subtitle:
        drawing.text(20, 48, subtitle, "soft")
    x = 20.0
    for place, name in enumerate(legend):
        drawing.box(x, 60, (12, 12), f"s{place % SERIES}")
        drawing.text(x + 18, 71, name)
        x += 40 + 8 * len(name)


def _mark(drawing: Drawing, scale: Scale, bar: tuple[float, float], style: str) -> None:
    y, value = bar
    if scale.log:
        drawing.line([(scale.start, y + _BAR / 2), (scale(value), y + _BAR / 2)], style, 2)
        drawing.dot(scale(value), y + _BAR / 2, style)
    else:
        drawing.box(scale.start, y + 2, (scale(value) - scale.start, _BAR - 4), style)


def _name(bar: Bar) -> str:
    return f"{bar.row}, {bar.series}" if bar.series else bar.row


def _told(axis: str, values: Sequence[tuple[str, float]]) -> str:
    return f"{axis}: " + "; ".join(f"{name} {number(value)}" for name, value in values) + "."


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
