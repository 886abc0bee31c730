"""`demand infer`: writes a declaration for a DynamoDB table."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.output import Column, table
from demand.errors import UsageError
from demand.infer import Inferred, Limits
from demand.infer import infer as inferred

_DEFAULT = Limits()
_FOLDER = "layers/shared/demand_pipeline/builders"
_REJECT_PERCENT = 1  # the template's MaxRejectPercent


@command(
    "infer",
    examples=[
        "demand infer prod-invoice-lines",
        f"demand infer prod-invoice-lines --name line_items -o {_FOLDER}/line_item_builder.py",
        "demand infer arn:aws:dynamodb:eu-west-1:111122223333:table/orders --max-read-units 50",
    ],
)
def infer(
    shell: Shell,
    source: Annotated[str, typer.Argument(metavar="TABLE", help="The name or ARN of a DynamoDB table.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The name of the warehouse table.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the declaration to a new file.")
    ] = None,
    items: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="Read at most N items.")] = _DEFAULT.items,
    max_read_units: Annotated[
        float, typer.Option(min=0.5, metavar="N", help="Stop after N read units.")
    ] = _DEFAULT.read_units,
    max_read_units_per_second: Annotated[
        float, typer.Option(min=0, metavar="N", help="Read at most N units per second; 0: no limit.")
    ] = _DEFAULT.read_units_per_second,
    real_examples: Annotated[
        bool, typer.Option("--real-examples", help="Use values of the items as examples, not made-up ones.")
    ] = False,
) -> None:
    """Sample a DynamoDB table and write a declaration to review: types, presence, formats, doubts."""
    if output and output.exists():
        raise UsageError(f"--output {output}: the file already exists")
    limits = Limits(items, max_read_units, max_read_units_per_second)
    found = inferred(shell.clients("dynamodb"), source, limits, name=name, real_examples=real_examples)
    if output:
        try:
            output.write_text(found.text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--output {output}: {error.strerror}") from error
    shell.output.show(found, *([_columns(found)] if output else [Text(found.text.rstrip("\n"))]))
    _notes(shell, found, output)


def _columns(found: Inferred) -> object:
    rows = [
        [
            *(column.name, str(column.type), column.place, f"{column.presence:.0%}"),
            "; ".join(column.doubts),
        ]
        for column in found.columns
    ]
    return table(
        "", [Column("column"), Column("type"), Column("source"), Column("in", number=True), Column("doubts")], rows
    )


def _notes(shell: Shell, found: Inferred, output: Path | None) -> None:
    note = shell.output.note
    whole = "all items" if found.complete else "a sample"
    note(f"read {found.items:,} items ({whole}) for {found.read_units:,.1f} read units")
    doubtful = sum(bool(column.doubts) for column in found.columns)
    note(f"{len(found.columns)} columns, {doubtful} with doubts, {len(found.rare)} rare attributes stay in extra")
    above = f": a run fails above {_REJECT_PERCENT} %" if found.reject_share * 100 > _REJECT_PERCENT else ""
    note(f"a run would reject {found.rejected:,} of them, {found.reject_share:.2%}{above}")
    for reject in found.rejects:
        note(f"  {reject.items:,}: {reject.reason}")
    where = str(output) if output else f"{_FOLDER}/…_builder.py"
    note(f"next: review {where}, add {found.table.upper()} to {_FOLDER}/__init__.py, run make generate")
