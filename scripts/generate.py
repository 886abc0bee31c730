"""Writes every generated file: `make generate`. With `--check`, it only compares.

The exit status is 1 if a file is stale or was edited by hand, or if a declaration is invalid.
"""

import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

try:
    import demand_pipeline.builders  # noqa: F401 - before the modules that derive from them
except Exception as error:
    if __name__ != "__main__":
        raise
    # An invalid declaration is a ValueError that names table and column; Python's own errors need their line.
    *_, where = traceback.extract_tb(error.__traceback__)
    place = "" if isinstance(error, ValueError | SyntaxError) else f"{Path(where.filename).name}:{where.lineno}: "
    sys.exit(place + " ".join(str(error).split()))

from local.sample_values import ExampleError
from scripts import cost_page, data_dictionary, dbt_sources, event_files, regions, state_machine

EVENTS = Path("events")

# Files with generated regions, and the module that writes them.
WITH_REGIONS = {
    Path("template.yaml"): "template",
    **{Path(page): "pages" for page in ("README.md", "docs/deploy.md", "docs/develop.md")},
    Path("docs/runbook.md"): "runbook",
    Path("docs/performance.md"): "performance",
    Path("docs/cost.md"): "cost_page",
    Path("docs/demand.md"): "demand_page",
}

GENERATED: dict[Path, Callable[[], str]] = {
    data_dictionary.PAGE: data_dictionary.render,
    dbt_sources.PAGE: dbt_sources.render,
    state_machine.DEFINITION: state_machine.render,
    state_machine.REPAIR: state_machine.render_repair,
    Path("demand/cost/measured.json"): cost_page.measured_file,
    **{path: partial(regions.render, path, module) for path, module in WITH_REGIONS.items()},
    **{EVENTS / f"{name}.json": partial(event_files.render, name) for name in event_files.events()},
}


def stale() -> dict[Path, str | None]:
    """Return the generated files whose content is wrong, with the right content: None if the file should not exist."""
    files = {path: render() for path, render in GENERATED.items()}
    wrong: dict[Path, str | None] = {path: text for path, text in files.items() if _text(path) != text}
    return wrong | dict.fromkeys(_left_over())


def _left_over() -> list[Path]:
    """Return the sample events of tables that are no longer declared."""
    return [path for path in EVENTS.iterdir() if path not in GENERATED]


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main() -> int:
    """Write or compare the files and return the exit status. An error is one line on standard error."""
    try:
        return _report_stale() if "--check" in sys.argv[1:] else _write()
    except (ExampleError, regions.RegionError, state_machine.TooManyTablesError) as error:
        sys.exit(str(error))


def _report_stale() -> int:
    files = stale()
    for path in files:
        print(f"{path}: stale, or edited by hand; run make generate")
    return 1 if files else 0


def _write() -> int:
    """Write the files one after the other, in order: some are generated from earlier ones."""
    for path, render in GENERATED.items():
        if _text(path) != (text := render()):
            path.write_text(text, encoding="utf-8")
            print(f"{path}: written")
    for path in _left_over():
        path.unlink()
        print(f"{path}: removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
