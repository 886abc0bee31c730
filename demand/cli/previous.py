"""`demand diff` and `demand rollback`: the changes of the last run, and its undoing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from demand.cli.app import Shell, check_range, command
from demand.cli.options import Direct, Yes, run_name, table_list, table_names
from demand.cli.output import FAILED, SUCCESS, Column, duration, table
from demand.runs.recorded import full_name, last_run
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.operating.previous import DiffAnswer, RollbackAnswer
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.contracts.operating.runs import RecordedRun

_MOST_SAMPLES = 100

Tables = Annotated[list[str] | None, table_list("Compare only these tables")]
Samples = Annotated[
    int, typer.Option(metavar="N", help="Show up to N keys per table of added, removed and changed rows.")
]
LastRun = Annotated[str | None, run_name("the last run, the only one that can be rolled back")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="The reason, which is recorded in pipeline_runs.")]


@dataclass(frozen=True)
class Diff:
    """The differences of all tables, as JSON."""

    tables: tuple[DiffAnswer, ...]


@command("diff", examples=["demand diff", "demand diff --tables cases --samples 20", "demand diff --json"])
def diff(shell: Shell, tables: Tables = None, samples: Samples = 5, direct: Direct = False) -> int:
    """Show the changes of the last swap: rows added, removed and changed, by key and by column."""
    check_range("--samples", samples, 0, _MOST_SAMPLES)
    warehouse = shell.warehouse(direct=direct)
    names = table_names(tables) or TABLES
    answers = tuple(warehouse.ask(DiffAnswer, ActionName.DIFF, table=name, samples=samples) for name in names)
    shell.output.show(Diff(answers), *_parts(answers))
    return SUCCESS


@command(
    "rollback",
    examples=[
        'demand rollback --reason "half the rows are missing"',
        'demand rollback demand-20261127T0300 --reason "test data" --yes',
    ],
)
def rollback(shell: Shell, reason: Reason, run: LastRun = None, yes: Yes = False, direct: Direct = False) -> int:
    """Restore the rows that all tables of the last run had before it. The next run replaces them again."""
    by = shell.clients("sts").get_caller_identity()["Arn"]
    warehouse = shell.warehouse(direct=direct)
    last = last_run(warehouse)
    name = full_name(warehouse, run) if run else last and last.run
    if last and last.run == name:
        shell.output.notes.print(_plan(last))
    if not shell.may_change(f"Roll back {name or 'the last run'}, as {by}?", yes=yes):
        return FAILED
    answer = warehouse.ask(RollbackAnswer, ActionName.ROLLBACK, run=name, by=by, reason=reason)
    rows = [[restored.table, restored.run] for restored in answer.tables]
    columns = [Column("table", whole=True), Column("now contains the rows of", whole=True)]
    shell.output.show(answer, table(f"{answer.run} rolled back", columns, rows))
    return SUCCESS


def _plan(last: RecordedRun) -> RenderableType:
    """The run to roll back, with the rows of each table in the run and before it."""
    committed = datetime.fromisoformat(last.committed_at)
    age = duration((datetime.now(UTC) - committed).total_seconds())
    rows = [[entry.table, entry.loaded, entry.previous_rows] for entry in last.tables]
    columns = [
        Column("table", whole=True),
        Column("rows of this run", number=True),
        Column("rows before it", number=True),
    ]
    return table(f"rollback of {last.run}, committed {age} ago", columns, rows)


def _parts(answers: tuple[DiffAnswer, ...]) -> Iterator[RenderableType]:
    columns = [Column("table", whole=True), *(Column(name, number=True) for name in ("added", "removed", "changed"))]
    rows = [[answer.table, answer.added, answer.removed, answer.changed] for answer in answers]
    yield table("rows, compared with the previous rows", columns, rows)
    changed = [[answer.table, column.column, column.rows] for answer in answers for column in answer.columns]
    if changed:
        yield table("changed columns", [Column("table"), Column("column"), Column("rows", number=True)], changed)
    if samples := [sample for answer in answers for sample in _samples(answer)]:
        yield table("samples", [Column(name) for name in ("table", "change", "key", "columns")], samples)
    for answer in answers:
        yield Text(answer.previous, style="dim")


def _samples(answer: DiffAnswer) -> Iterator[list[object]]:
    for key in answer.added_keys:
        yield [answer.table, "added", key, None]
    for key in answer.removed_keys:
        yield [answer.table, "removed", key, None]
    for row in answer.changed_rows:
        yield [answer.table, "changed", row.key, ", ".join(row.columns)]
