"""A drawing of lines, boxes and words, written as SVG.

Own code, since what the charts need is little and what plotting libraries write is not: pygal's charts bring scripts,
matplotlib's native code, and neither has text alternatives or follows the reader's dark mode.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Literal

type Anchor = Literal["start", "middle", "end"]

SERIES = 5  # colours that are told apart in both schemes; a chart with more series would be unreadable anyway
_LIGHT = {
    "back": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "grid": "#d8dee4", "other": "#818b98",
    "s0": "#0969da", "s1": "#bc4c00", "s2": "#1a7f37", "s3": "#8250df", "s4": "#a40e26",
}  # fmt: skip
_DARK = {
    "back": "#0d1117", "ink": "#f0f6fc", "soft": "#9198a1", "grid": "#30363d", "other": "#767e89",
    "s0": "#58a6ff", "s1": "#f0883e", "s2": "#3fb950", "s3": "#bc8cff", "s4": "#ff7b72",
}  # fmt: skip


@dataclass
class Drawing:
    """Shapes on a card that is light or dark as the reader's system is, so that its words can always be read."""

    width: float
    height: float
    title: str
    description: str  # what the chart shows, for who cannot see it
    _shapes: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, style: str = "ink", anchor: Anchor = "start") -> None:
        """Words that begin, are centred or end at x."""
        self._shapes.append(f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>')

    def sideways(self, x: float, y: float, words: str) -> None:
        """Words from the bottom up, centred at y: a vertical axis' label."""
        turned = f'transform="translate({x:g} {y:g}) rotate(-90)"'
        self._shapes.append(f'<text {turned} class="soft" text-anchor="middle">{escape(words)}</text>')

    def box(self, x: float, y: float, size: tuple[float, float], style: str) -> None:
        """A filled box of a width and a height."""
        self._shapes.append(f'<rect x="{x:.1f}" y="{y:g}" width="{size[0]:.1f}" height="{size[1]:g}" class="{style}"/>')

    def line(self, points: list[tuple[float, float]], style: str, width: float = 1) -> None:
        """A line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._shapes.append(f'<polyline points="{path}" class="line {style}" stroke-width="{width:g}"/>')

    def dot(self, x: float, y: float, style: str) -> None:
        """A round mark."""
        self._shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="{style}"/>')

    def render(self) -> str:
        """The whole file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:g}" height="{self.height:g}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-labelledby="title description">'
        )
        card = f'<rect x="0.5" y="0.5" width="{self.width - 1:g}" height="{self.height - 1:g}" rx="6" class="card"/>'
        words = [
            f'<title id="title">{escape(self.title)}</title>',
            f'<desc id="description">{escape(self.description)}</desc>',
        ]
        return "\n".join([head, *words, f"<style>{_style()}</style>", card, *self._shapes, "</svg>"]) + "\n"


@dataclass(frozen=True)
class Scale:
    """From a value to a place between `start` and `end`, evenly or by powers of ten."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where a value stands."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    @classmethod
    def around(cls, values: list[float], ends: tuple[float, float], *, log: bool = False) -> "Scale":
        """From zero, or from a power of ten, to a round number that no value exceeds."""
        if not log:
            step = _step(max(values) or 1)
            return cls(0, math.ceil((max(values) or 1) / step) * step, *ends)
        # Zero has no place on such a scale: it stands at its start.
        powers = [math.log10(value) for value in values if value > 0] or [0.0]
        low, high = math.floor(min(powers)), math.ceil(max(powers))
        return cls(10.0**low, 10.0 ** max(high, low + 1), *ends, log=True)

    def ticks(self) -> Iterator[float]:
        """Round numbers along the scale."""
        if self.log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            yield from (10.0**power for power in range(first, last + 1))
            return
        step = _step(self.high)
        yield from (step * count for count in range(round(self.high / step) + 1))


def _step(high: float) -> float:
    """A round step of which four or five make `high`."""
    rough = high / 5
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def _style() -> str:
    plain = (
        "text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif}text.title{font-size:16px;font-weight:600}"
        ".line{fill:none}"
    )
    return f"{plain}{_colours(_LIGHT)}@media (prefers-color-scheme:dark){{{_colours(_DARK)}}}"


def _colours(colours: dict[str, str]) -> str:
    fills = "".join(f".{name}{{fill:{colour}}}" for name, colour in colours.items())
    lines = "".join(f".line.{name}{{fill:none;stroke:{colour}}}" for name, colour in colours.items())
    return f"{fills}{lines}.title{{fill:{colours['ink']}}}.card{{fill:{colours['back']};stroke:{colours['grid']}}}"
