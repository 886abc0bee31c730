"""`demand drift`: changes at the sources since the previous run."""

from typing import Annotated

from rich.console import RenderableType
from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.options import Direct, run_name
from demand.cli.output import Column, table
from demand.drift import Drift, drift

OfRun = Annotated[str | None, run_name("the last run of each table")]


@command("drift", examples=["demand drift", "demand drift demand-20261127T030000 --json"])
def show_drift(shell: Shell, run: OfRun = None, direct: Direct = False) -> None:
    """List attributes that are new, have vanished or have a different type since the previous run.

    Each run counts attributes that no column reads and values of an unusual type. A new attribute is listed with the
    line of the declaration that reads it.
    """
    found = drift(shell.warehouse(direct=direct), run)
    shell.output.show(found, *_parts(found))


def _parts(found: Drift) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if found.changes:
        columns = [
            Column("table", whole=True),
            Column("change", whole=True),
            Column("attribute"),
            Column("types"),
            Column("items", number=True),
            Column("run", optional=True),
        ]
        rows = [(c.table, c.change, c.path, ", ".join(c.types), c.items, c.run) for c in found.changes]
        parts.append(table("changed since the previous run", columns, rows))
    else:
        parts.append(Text("nothing has changed since the previous run"))
    for name in dict.fromkeys(change.table for change in found.changes if change.column):
        parts.append(Text(f"\nto read them into columns of {name}, add to its declaration and run make generate:"))
        parts += [Text(f"    {change.column}") for change in found.changes if change.table == name and change.column]
    parts += [Text(f"{name}: not compared, {reason}") for name, reason in found.not_compared.items()]
    return parts
