"""Writes the page and its charts, and removes charts that have no figures any more."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from benchmarks.figures import TARGETS, Figure, Results
from benchmarks.report.limits import explanations
from benchmarks.report.numbers import number, unit, with_unit
from benchmarks.report.pictures import Grid, matching, words
from benchmarks.report.sections import OTHER, SECTIONS, Section

DOCS = Path(__file__).parents[2] / "docs"

_READ = """\
Ratios are what to compare: both sides were measured in one run on one machine, in turns, and medians are shown. The
absolute numbers are this machine's. DynamoDB and S3 are small servers on the same machine here, so that the network of
a real region, its latency and its throttling are left out: measured is what the code costs, not what AWS does."""


def write_performance(results: Results, docs: Path = DOCS) -> None:
    """Write `performance.md` and `performance/*.svg` below `docs`, from whatever figures there are."""
    charts = docs / "performance"
    charts.mkdir(parents=True, exist_ok=True)
    drawn = {
        f"{chart.file}.svg": svg
        for section in SECTIONS
        for chart in section.charts
        if (svg := chart.draw(results.figures)) is not None
    }
    for stale in set(charts.glob("*.svg")) - {charts / name for name in drawn}:
        stale.unlink()
    for name, svg in drawn.items():
        (charts / name).write_text(svg, encoding="utf-8")
    (docs / "performance.md").write_text(render(results), encoding="utf-8")


def render(results: Results) -> str:
    """The whole page, as Markdown."""
    blocks = [
        "# Performance",
        "Made by `make bench` from `benchmarks/results/latest.json`; do not edit.",
        f"Measured on {results.date} on {_machine(results.machine)}.",
        _READ,
        *_targets(results.figures),
    ]
    left = dict(results.figures)
    for section in SECTIONS:
        mine = {name: left.pop(name) for name in list(left) if re.fullmatch(section.figures, name)}
        blocks += _section(section, mine)
    return "\n\n".join([*blocks, *_section(OTHER, left)]) + "\n"


def _machine(machine: Mapping[str, Any]) -> str:
    size = f"{machine['cores']} cores, {machine['memory_gb']} GB"
    return f"{machine['processor']}, {size}, {machine['system']}, Python {machine['python']}"


def _targets(figures: Mapping[str, Figure]) -> Iterator[str]:
    measured = [figures[name] for name in TARGETS if name in figures]
    missed = [f"`{figure.name}`" for figure in measured if not figure.met]
    missing = [f"`{name}`" for name in TARGETS if name not in figures]
    yield "## Targets"
    said = f"{len(measured) - len(missed)} of {len(measured)} measured targets are met."
    said += f" Not met: {', '.join(missed)}." if missed else ""
    yield _wrapped(said + (f" Not measured: {', '.join(missing)}." if missing else ""))
    if measured:
        yield _table(measured)
    yield from (_wrapped(each) for each in explanations(figures))


def _section(section: Section, figures: Mapping[str, Figure]) -> Iterator[str]:
    if not figures:
        return
    yield f"## {section.title}"
    yield from (_wrapped(paragraph) for paragraph in section.text.split("\n\n"))
    for chart in section.charts:
        if chart.draw(figures) is not None:
            yield f"![{chart.alternative}](performance/{chart.file}.svg)"
    shown: set[str] = set()
    for grid in section.grids:
        found = matching(grid.pattern, figures)
        if found:
            shown |= {figure.name for _, figure in found}
            yield _grid(grid, found)
    plain = [figure for name, figure in figures.items() if name not in shown]
    if plain:
        yield _table(plain)
    notes = [f"- {_called(figure, section)}: {figure.note}" for figure in figures.values() if figure.note]
    if notes:
        yield "\n".join(notes)


def _called(figure: Figure, section: Section) -> str:
    """A figure in words, where a table has it in words."""
    for grid in section.grids:
        for match, _ in matching(grid.pattern, {figure.name: figure}):
            return f"{words(match['row'])}, {grid.columns.get(match['column'], words(match['column']))}"
    return f"`{figure.name}`"


def _table(figures: Sequence[Figure]) -> str:
    rows = [
        (f"`{figure.name}`", number(figure.value), unit(figure.unit), _target(figure), _met(figure))
        for figure in figures
    ]
    return _markdown(("figure", "value", "unit", "target", "met"), rows, "lrlrl")


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"{'≥' if figure.target.better == 'higher' else '≤'} {number(figure.target.value)}"


def _met(figure: Figure) -> str:
    return {True: "yes", False: "**no**", None: ""}[figure.met]


def _grid(grid: Grid, found: Sequence[tuple[re.Match[str], Figure]]) -> str:
    columns = list(dict.fromkeys(match["column"] for match, _ in found))
    cells: dict[str, dict[str, str]] = {}
    for match, figure in found:
        value = with_unit(figure.value, figure.unit) if figure.unit == "share" else number(figure.value)
        cells.setdefault(match["row"], {})[match["column"]] = value
    rows = [(words(row), *(values.get(column, "") for column in columns)) for row, values in cells.items()]
    headings = [_heading(grid, column, found) for column in columns]
    return _markdown((grid.corner, *headings), rows, "l" + "r" * len(columns))


def _heading(grid: Grid, column: str, found: Sequence[tuple[re.Match[str], Figure]]) -> str:
    if column in grid.columns:
        return grid.columns[column]
    units = {unit(figure.unit) for match, figure in found if match["column"] == column}
    return words(column) + (f", {units.pop()}" if units == {"ms"} else "")


def _wrapped(paragraph: str) -> str:
    return fill(paragraph, 118, break_long_words=False, break_on_hyphens=False)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    line = ["---:" if side == "r" else "---" for side in align]
    # A bar would end the cell.
    table = [head, line, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in table)
