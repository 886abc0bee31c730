"""`demand run` and `demand watch`: start or follow a run, and show its end."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer

from demand.cli.app import Shell, check_range, command
from demand.cli.options import Detach, RunName, Yes, table_list, table_names
from demand.cli.output import FAILED, INTERRUPTED, SUCCESS
from demand.cli.progress import display_for
from demand.cli.progress import watch as show_progress
from demand.cli.result import finish
from demand.errors import UsageError
from demand.runs import execution
from demand.runs.options import pasted
from demand.runs.report import follow

POLL_SECONDS = 1.0

Tables = Annotated[list[str] | None, table_list("Refresh only these tables")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Do everything except the commit.")]
MaxItems = Annotated[int | None, typer.Option(metavar="N", help="Read at most N items per table; only with --dry-run.")]
SaveCsv = Annotated[bool, typer.Option("--save-csv", help="Also write each loaded table as CSV to the staging bucket.")]
MaxReject = Annotated[
    float | None, typer.Option(metavar="PERCENT", help="Fail if more than PERCENT of a table's items are rejected.")
]
MaxShrink = Annotated[
    float | None,
    typer.Option(metavar="PERCENT", help="Fail if a table would shrink by more than PERCENT."),
]
Force = Annotated[bool, typer.Option("--force", help="Load even if a newer run is already committed.")]
FailOnRejects = Annotated[bool, typer.Option("--fail-on-rejects", help="Exit with 3 if items were rejected.")]


@dataclass(frozen=True)
class Started:
    """A run that was started, as JSON."""

    run: str
    arn: str
    status: str
    input: dict[str, Any]


@command(
    "run",
    examples=[
        "demand run",
        "demand run --tables cases,audit --fail-on-rejects",
        "demand run --dry-run --max-items 1000 --max-reject-percent 100",
        "demand run --detach --json",
    ],
)
def run(
    shell: Shell,
    tables: Tables = None,
    dry_run: DryRun = False,
    max_items: MaxItems = None,
    save_csv: SaveCsv = False,
    max_reject_percent: MaxReject = None,
    max_shrink_percent: MaxShrink = None,
    force: Force = False,
    detach: Detach = False,
    yes: Yes = False,
    fail_on_rejects: FailOnRejects = False,
) -> int:
    """Start a run, watch it, and show its receipt. Ctrl-C does not stop the run. In production, ask first."""
    check_range("--max-items", max_items, 1)
    check_range("--max-reject-percent", max_reject_percent, 0, 100)
    check_range("--max-shrink-percent", max_shrink_percent, 0, 100)
    if max_items is not None and not dry_run:
        raise UsageError(
            f"--max-items {max_items}: requires --dry-run, since some of the items must not replace a full table"
        )
    names = table_names(tables)
    given = {
        "tables": names,
        "dryRun": dry_run or None,
        "maxItems": max_items,
        "saveCsv": save_csv or None,
        "maxRejectPercent": max_reject_percent,
        "maxShrinkPercent": max_shrink_percent,
        "force": force or None,
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    if not shell.may_change("Start a run here?", yes=yes or dry_run, always=False):
        return FAILED
    started = execution.start(shell.stack, wanted)
    shell.output.note(f"run {started.name} has started")
    if detach:
        result = Started(started.name, started.arn, started.status, wanted)
        shell.output.show(result, pasted("watch", started.name))
        return SUCCESS
    return follow_to_the_end(shell, started, fail_on_rejects=fail_on_rejects)


@command("watch", examples=["demand watch", "demand watch demand-20261127 --json"])
def watch(shell: Shell, run: RunName = None) -> int:
    """Follow a run and show how it ends. Ctrl-C stops watching, not the run."""
    return follow_to_the_end(shell, execution.find_run(shell.stack, run), lines_of_json=True)


def follow_to_the_end(
    shell: Shell,
    run: execution.Run,
    *,
    redrives: int = 0,
    fail_on_rejects: bool = False,
    lines_of_json: bool = False,
) -> int:
    """Show a run's progress and its end; an interrupt stops only the watching."""
    reports = follow(shell.stack, run, partial(time.sleep, POLL_SECONDS), redrives)
    try:
        last = show_progress(reports, display_for(shell.output, lines_of_json=lines_of_json))
    except KeyboardInterrupt:
        on, end = pasted("watch", run.name), pasted("stop", run.name)
        shell.output.note(f"stopped watching; the run continues: {on}, or {end}")
        return INTERRUPTED
    event = "result" if lines_of_json else ""
    return finish(shell, last, fail_on_rejects=fail_on_rejects, event=event)
