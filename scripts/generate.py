"""Writes every file that derives from others: `make generate`; with `--check` it only compares.

Exits with 1 when a file is not what it would write: it is stale, or was edited by hand.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.cost import page as cost
from benchmarks.cost.assumptions import Assumptions
from benchmarks.figures import Results
from scripts import data_dictionary, state_machine, template

GENERATED: dict[Path, Callable[[], str]] = {
    data_dictionary.PAGE: data_dictionary.render,
    state_machine.DEFINITION: state_machine.render,
    template.TEMPLATE: template.render,
    # Its figures are of the last benchmark; its limits are of the template and the state machine.
    Path("docs/cost.md"): lambda: cost.render(Results.load(), Assumptions()),
}


def stale() -> list[Path]:
    """The generated files that are not what they should be."""
    return [path for path, render in GENERATED.items() if path.read_text(encoding="utf-8") != render()]


def main() -> int:
    """Write or compare; the answer is the exit status."""
    files = stale()
    if "--check" in sys.argv[1:]:
        for path in files:
            print(f"{path}: stale, or edited by hand; run make generate")
        return 1 if files else 0
    for path in files:
        path.write_text(GENERATED[path](), encoding="utf-8")
        print(f"{path}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
