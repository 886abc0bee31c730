"""Generates the regions of README.md and of pages in docs/ that derive from the declarations."""

import re
from textwrap import fill

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from local.sample import Sample

_FIRST = next(iter(TABLES))
_DEMO_SIZE = 1000
_COUNTS = ("scanned", "staged", "rejected", "sanitized", "loaded")


def demo_result() -> str:
    """Return the counts that `make demo` prints, without the figures that depend on the machine."""
    sample = Sample(_DEMO_SIZE)
    for _ in sample:
        pass
    rows: dict[str, list[int]] = {}
    for table, found in sample.expected().items():
        staged = found["items"] - found["rejected"]
        rows[table] = [found["items"], staged, found["rejected"], found["sanitized"], staged]
    rows["total"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    width = max(map(len, rows))
    head = f" {'table':{width}}" + "".join(f"{name:>12}" for name in _COUNTS)
    lines = [f" {name:{width}}" + "".join(f"{count:>12,}" for count in row) for name, row in rows.items()]
    return "\n".join(["```text", head, " " + "─" * (len(head) - 1), *lines, "```"])


def source_parameters() -> str:
    """Return the sentence about the parameters that name the source tables."""
    names = ", ".join(f"`{camel_case(table.source)}Table`" for table in TABLES.values())
    text = f"{names} are the names of the source tables, which are in the stack's region."
    return fill(text, 120, break_long_words=False, break_on_hyphens=False)


def invoke_commands() -> str:
    """Return one command per kind of function."""
    settings, events = "--config-file .local/samconfig.toml", ".local/events"
    return "\n".join(
        [
            "```console",
            "$ make demo",
            "$ source .local/env",
            '$ export PATH="$PWD/.venv-sam/bin:$PATH"',
            f"$ sam local invoke ScanSegment {settings} --event {events}/scan_segment.json",
            f"$ sam local invoke Transform{camel_case(_FIRST)} {settings} --event {events}/transform_{_FIRST}.json",
            f"$ sam local invoke LoadWarehouse {settings} --event {events}/load_warehouse.json",
            "```",
        ]
    )


def linked(text: str) -> str:
    """Replace paths of pages with links from within docs/."""
    return re.sub(r"docs/([\w.-]+)(#[\w-]+)?", lambda page: f"[{page[1]}]({page[1]}{page[2] or ''})", text)
