"""`demand rejects` and `demand rejects replay`: the rejected items of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from demand.cli.app import Group, Shell, app, check_range, command, panel
from demand.cli.options import Direct, RunName, table_list, table_names
from demand.cli.output import Column, table
from demand.errors import UsageError
from demand.rejects.export import check_suffix, export
from demand.rejects.replay import Replay, replay
from demand.rejects.stored import read_staging, read_warehouse, reasons_in_staging, reasons_in_warehouse
from demand.runs import execution
from demand.runs.report import Report, read
from demand_pipeline.contracts.operating.rejects import RejectReason, RejectsAnswer
from demand_pipeline.transform.reason import Reason

_LIST = "list"


class _ListByDefault(Group):
    """A group in which `demand rejects RUN` is `demand rejects list RUN`; options may precede a command's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name first, where its options are parsed; raises UsageError."""
        if not (args and args[0] in ctx.help_option_names):
            first = self._first_word(args)
            if first is None or args[first] not in self.commands:
                args = [_LIST, *args]
            else:
                args = [args[first], *args[:first], *args[first + 1 :]]
        return super().parse_args(ctx, args)

    def _first_word(self, args: list[str]) -> int | None:
        """Return the place of the first word that is neither an option nor an option's value."""
        options = [option for option in self.commands[_LIST].params if not getattr(option, "is_flag", True)]
        with_value = {name for option in options for name in option.opts}
        is_value = False
        for place, word in enumerate(args):
            if not is_value and not word.startswith("-"):
                return place
            is_value = not is_value and word in with_value
        return None


group = typer.Typer(cls=_ListByDefault, help="List rejected items by reason, export them, convert them again.")
app.add_typer(group, name="rejects", rich_help_panel=panel("rejects"))

InWarehouse = Annotated[
    bool,
    typer.Option("--warehouse", help="Use the rejects in the warehouse, of the last run of each table."),
]
Tables = Annotated[list[str] | None, table_list("Use rejects of only these tables")]
Samples = Annotated[int, typer.Option(metavar="N", help="Show N samples per reason.")]
ExportFile = Annotated[
    Path | None,
    typer.Option(
        "--export",
        metavar="FILE",
        help="Write the whole items to a .jsonl or .csv file. With --warehouse, items of more than 1.6 MB are cut, "
        "with a note where to find them.",
    ),
]


@dataclass(frozen=True)
class Rejects:
    """The reasons, their source (`warehouse` or `staging`), and the number of exported items."""

    source: str
    reasons: tuple[RejectReason, ...]
    complete: bool
    exported: int | None


@command(
    f"rejects {_LIST}",
    examples=[
        "demand rejects",
        "demand rejects demand-20261127T0300 --samples 3",
        "demand rejects --warehouse --export rejects.csv",
    ],
    group=group,
)
def rejects(
    shell: Shell,
    run: RunName = None,
    tables: Tables = None,
    samples: Samples = 1,
    file: ExportFile = None,
    in_warehouse: InWarehouse = False,
    direct: Direct = False,
) -> None:
    """Count the rejected items of a run by reason, also if it failed; show samples, export the items.

    `demand rejects` is short for this command.
    """
    names = table_names(tables)
    check_range("--samples", samples, 0, 100)
    if file:
        check_suffix(file)
    exported = None
    if in_warehouse and run:
        raise UsageError(f"--warehouse: cannot be combined with RUN {run}")
    if direct and not in_warehouse:
        raise UsageError("--direct: requires --warehouse")
    if in_warehouse:
        warehouse = shell.warehouse(direct=direct)
        found = reasons_in_warehouse(warehouse, names, samples)
        if file:
            exported = export(read_warehouse(warehouse, shell.stack.staging_bucket, names), file)
    else:
        report = _report(shell, run)
        found = reasons_in_staging(shell.stack, report, names, samples)
        if file:
            exported = export((reject.plain() for reject in read_staging(shell.stack, report, names)), file)
    source = "warehouse" if in_warehouse else "staging"
    shell.output.show(Rejects(source, found.reasons, found.complete, exported), *_reasons(found))
    if exported is not None:
        shell.output.note(f"{exported:,} items written to {file}")


@command(
    "rejects replay",
    examples=["demand rejects replay", "demand rejects replay demand-20261127T0300 --tables cases"],
    group=group,
)
def replay_rejects(shell: Shell, run: RunName = None, tables: Tables = None) -> None:
    """Convert a run's rejects with this checkout's declarations, and count new rows. Changes nothing."""
    names = table_names(tables)
    report = _report(shell, run)
    found = replay(report.run.name, read_staging(shell.stack, report, names))
    shell.output.show(found, *_replayed(found))


def _report(shell: Shell, run: str | None) -> Report:
    return read(shell.stack, execution.find_run(shell.stack, run))


def _reasons(found: RejectsAnswer) -> list[RenderableType]:
    """The reasons for people; each further sample gets a separate line."""
    if not found.reasons:
        return [Text("no rejects")]
    rows: list[list[object]] = []
    for reason in found.reasons:
        samples = [(sample.key, Reason.parse(sample.reason).found) for sample in reason.samples]
        first, *more = samples or [("", "")]
        rows.append([reason.table, reason.reason, reason.items, *first])
        rows += [["", "", "", *sample] for sample in more]
    runs = ", ".join(dict.fromkeys(reason.run for reason in found.reasons))
    title = f"rejects of {runs}" + ("" if found.complete else ", the most frequent reasons")
    columns = [
        Column("table", whole=True),
        Column("reason"),
        Column("items", number=True),
        Column("key"),
        Column("value"),
    ]
    return [table(title, columns, rows)]


def _replayed(found: Replay) -> list[RenderableType]:
    if not found.tables:
        return [Text("no rejects")]
    columns = [Column("table", whole=True)]
    columns += [Column(name, number=True) for name in ("rejects", "would pass", "still rejected")]
    rows = [[entry.table, entry.rejects, entry.passing, entry.rejects - entry.passing] for entry in found.tables]
    parts: list[RenderableType] = [table(f"rejects of {found.run}, with today's declarations", columns, rows)]
    if still := [[entry.table, left.sample, left.items] for entry in found.tables for left in entry.still]:
        columns = [Column("table", whole=True), Column("reason"), Column("items", number=True)]
        parts.append(table("still rejected", columns, still))
    return parts
