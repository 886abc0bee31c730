"""Generates docs/data-dictionary.md from the declarations."""

import json
import re
from pathlib import Path

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Column, ItemPath, Table
from demand_pipeline.transform.column_types import RULES

PAGE = Path("docs/data-dictionary.md")

HEAD = """# Data dictionary

Generated from the declarations in `layers/shared/demand_pipeline/builders/` by `make generate`; do not edit.
A missing attribute or NULL becomes null; so does an empty string, except in `text` and `jsonb`. An item with a value
that its column does not accept is a reject: `rejected_items` contains the whole item.
"""


def render() -> str:
    """Return the whole page as Markdown."""
    return "\n".join([HEAD, *(_table(table) for table in TABLES.values())])


def _table(table: Table) -> str:
    key = ", ".join(f"`{column.name}`" for column in table.key)
    lines = [
        f"## {table.name}",
        "",
        f"{table.description} Refreshed from the DynamoDB table `{table.source}`; primary key: {key}.",
        "",
        "| column | type | from attribute | accepts | meaning | example |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_row(column) for column in table.columns),
        "| extra | jsonb | all that no other column reads | any type | The rest of the item; null if it is empty. | |",
        "",
    ]
    return "\n".join(lines)


def _row(column: Column) -> str:
    name = column.name if re.fullmatch(r"\w+", column.name) else _code(column.name)
    cells = (
        f"**{name}**" if column.key else name,
        column.type,
        _attribute(column.path),
        RULES[column.type].accepts,
        column.description,
        _code(column.examples[0]) if column.examples else "",
    )
    return f"| {' | '.join(cell.replace('|', '\\|').replace('\n', ' ') for cell in cells)} |"


def _attribute(path: ItemPath) -> str:
    """Return names separated by dots; indexes, and names with other than word characters, are in brackets."""
    if all(map(_is_plain, path)):
        return ".".join(map(str, path))
    return _code("".join(f".{step}" if _is_plain(step) else f"[{_json(step)}]" for step in path).removeprefix("."))


def _json(step: str | int) -> str:
    return json.dumps(step, ensure_ascii=not str(step).isprintable())


def _code(text: str) -> str:
    """A text in which nothing is Markdown or HTML: its fence is longer than any in it."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    room = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{room}{text}{room}{fence}"


def _is_plain(step: str | int) -> bool:
    return isinstance(step, str) and re.fullmatch(r"\w+", step) is not None
