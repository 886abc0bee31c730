"""`python -m benchmarks [--quick] [--only PART …]`: measure, show and keep the figures; `make bench` calls it."""

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol, cast

from rich.console import Console
from rich.table import Table

from benchmarks.cost import write_cost
from benchmarks.cost.model import MissingFigureError
from benchmarks.figures import LATEST, QUICK, Figure, Results, Size
from benchmarks.report import write_performance
from benchmarks.report.numbers import with_unit

PARTS = ("cold_start", "scan", "transform", "load", "end_to_end", "growth", "stalls")


class Part(Protocol):
    """A module of `benchmarks.parts`."""

    def measure(self, size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
        """Yield the part's figures as they come; `progress` is told what is going on."""


def main(arguments: list[str]) -> None:
    """Run the parts and write what they measured; the pages only from full sizes, and when all parts are known.

    With `--only` the other parts keep the figures they had.
    """
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: only whether everything works")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help="one or more of %(choices)s")
    given = parser.parse_args(arguments)
    size, path = (Size.small(), QUICK) if given.quick else (Size.full(), LATEST)
    console = Console()
    merging = given.only is not None and path.exists()
    results = Results.load(path) if merging else Results()
    for name in given.only or PARTS:
        results.merge(_run(name, size, console))
        results.write(path)
    console.print(f"figures written to benchmarks/results/{path.name}")
    if not given.quick and (merging or given.only is None):
        write_performance(results)
        console.print("page written to docs/performance.md")
        try:
            write_cost(results)
            console.print("page written to docs/cost.md")
        except MissingFigureError as missing:
            console.print(f"docs/cost.md left as it is: {missing} was never measured")
    missed = [name for name, figure in results.figures.items() if figure.met is False]
    if given.quick:
        console.print("small sizes measure mostly how long programs take to start: see no target met or missed in them")
    elif missed:
        console.print(f"targets missed: {', '.join(missed)}")


def _run(name: str, size: Size, console: Console) -> list[Figure]:
    """Measure one part and show its figures."""
    part = cast("Part", importlib.import_module(f"benchmarks.parts.{name}"))
    start = time.monotonic()
    if console.is_terminal:
        with console.status(name) as status:
            figures = list(part.measure(size, lambda doing: status.update(f"{name}: {doing}")))
    else:
        figures = list(part.measure(size, lambda doing: console.print(f"{name}: {doing}")))
    table = Table("figure", "measured", "target", "", title=f"{name}, {time.monotonic() - start:.0f} s")
    for figure in figures:
        target = "" if figure.target is None else with_unit(figure.target.value, figure.unit)
        met = {True: "met", False: "missed", None: ""}[figure.met]
        table.add_row(figure.name, with_unit(figure.value, figure.unit), target, met)
    console.print(table)
    return figures


if __name__ == "__main__":
    main(sys.argv[1:])
