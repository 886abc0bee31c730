"""`python -m benchmarks [--quick] [--only PART …]`: measures, shows and stores the figures; `make bench` calls it."""

import argparse
import contextlib
import importlib
import sys
import time

from benchmarks.cost import fits
from benchmarks.figures import FULL_SIZE, LATEST, QUICK, QUICK_SIZE, Figure, Results, Size
from local import caller

PARTS = ("cold_start", "scan", "transform", "load", "end_to_end", "growth", "stalls")


def main(arguments: list[str]) -> None:
    """Run the parts and write their figures. With `--only`, the figures of the other parts stay."""
    caller.forget()
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to check only that everything works")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help="one or more of %(choices)s")
    given = parser.parse_args(arguments)
    size, path = (QUICK_SIZE, QUICK) if given.quick else (FULL_SIZE, LATEST)
    results = Results.load(path) if given.only and path.exists() else Results()
    for name in given.only or PARTS:
        results.merge(_run(name, size))
        results.write(path)
    with contextlib.suppress(KeyError):  # a figure that the model needs was never measured
        results.merge([fits(results)])
        results.write(path)
    print(f"figures written to benchmarks/results/{path.name}")
    missed = [name for name, figure in results.figures.items() if figure.met is False]
    if given.quick:
        print("small sizes measure mostly start-up: ignore the targets")
    elif missed:
        print(f"targets missed: {', '.join(missed)}")


def _run(name: str, size: Size) -> list[Figure]:
    """Measure one part and show its figures."""
    part = importlib.import_module(f"benchmarks.parts.{name}")
    start = time.monotonic()
    figures: list[Figure] = list(part.measure(size, lambda step: print(f"{name}: {step}")))
    print(f"\n{name}, {time.monotonic() - start:.0f} s")
    for figure in figures:
        met = {True: "met", False: "missed", None: ""}[figure.met]
        print(f"  {figure.name:42} {figure!s:>16}  {figure.target or ''!s:8} {met}".rstrip())
    print()
    return figures


if __name__ == "__main__":
    main(sys.argv[1:])
