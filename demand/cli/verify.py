"""`demand verify`: compares the warehouse with the items that its runs read."""

import random
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from demand.cli.app import Shell, check_range, command
from demand.cli.options import Direct, table_list, table_names
from demand.cli.output import FAILED, SUCCESS, Column, table
from demand.verify.rows import Difference
from demand.verify.verification import Comparison, TableVerification, Verification
from demand_pipeline.builders import TABLES

_MOST = 1_000_000
_VALUE = 40  # characters of a value that are shown

Tables = Annotated[list[str] | None, table_list("Verify only these tables")]
Sample = Annotated[int | None, typer.Option(metavar="N", help="Compare at most N random items per table.")]


@command("verify", examples=["demand verify", "demand verify --sample 1000", "demand verify --tables cases --direct"])
def verify(shell: Shell, tables: Tables = None, sample: Sample = None, direct: Direct = False) -> int:
    """Check that the warehouse matches what its last runs read, and count later changes at the source.

    Whole tables are scanned, which costs read units; a sample reads single items. Exit code 1: the warehouse differs.
    """
    check_range("--sample", sample, 1, _MOST)
    draw = random.Random()  # noqa: S311 - not a secret
    comparison = Comparison(shell.stack, shell.warehouse(direct=direct), sample, draw)
    found = comparison.verify(table_names(tables) or list(TABLES), shell.output.note)
    shell.output.show(found, *_parts(found))
    return SUCCESS if found.is_equal else FAILED


def _parts(found: Verification) -> list[RenderableType]:
    optional = ("compared", "rejected", "changed since", "gone since", "new since")
    numbers = ("rows", "missing", "different", "surplus", *optional)
    columns = [Column("table", whole=True)]
    columns += [Column(name, number=True, optional=name in optional) for name in numbers]
    title = "warehouse and run" if found.sample is None else f"warehouse and run, {found.sample:,} items of each table"
    parts: list[RenderableType] = [table(title, columns, [_row(entry) for entry in found.tables])]
    if rows := [row for entry in found.tables for difference in entry.differences for row in _differences(difference)]:
        titles = ("table", "key", "column", "as the run read it", "in the warehouse")
        parts.append(table("differences", [Column(name) for name in titles], rows))
    parts += [Text(f"{entry.table}: source not compared: {entry.reason}") for entry in found.tables if entry.reason]
    parts.append(
        Text(
            "the warehouse matches the items that its runs read"
            if found.is_equal
            else "the warehouse DIFFERS from the items that its runs read"
        )
    )
    return parts


def _row(entry: TableVerification) -> list[object]:
    counts = [entry.rows, entry.missing, entry.different, entry.surplus, entry.compared, entry.rejected]
    since = entry.since
    return [entry.table, *counts, *((since.changed, since.gone, since.new) if since else (None, None, None))]


def _differences(difference: Difference) -> list[list[object]]:
    if difference.missing:
        return [[difference.table, difference.key, "the whole row", "a row", "none"]]
    return [
        [difference.table, difference.key, column.column, _cut(column.expected), _cut(column.found)]
        for column in difference.columns
    ]


def _cut(value: str | None) -> str:
    """Shorten a value for a table; null differs from the text null."""
    if value is None:
        return "(null)"
    return value if len(value) <= _VALUE else f"{value[:_VALUE]}…"
