"""`demand status`: the state of the stack on one screen, and as an exit code for monitors."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import chain, repeat
from time import sleep
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.console import one_line
from demand.cli.options import Direct
from demand.cli.output import FAILED, SUCCESS, UNUSABLE, Column, duration, facts, moment, status, table
from demand.runs.options import pasted
from demand.schedule import ENABLED
from demand.status import RunState, Status, look
from demand_pipeline.contracts.operating.locks import TableLock

WATCH_SECONDS = 10.0

Watch = Annotated[bool, typer.Option("--watch", help="Refresh every 10 seconds, until Ctrl-C.")]


@command("status", examples=["demand status", "demand status --watch", "demand status --json"])
def show_status(shell: Shell, watch: Watch = False, direct: Direct = False) -> int:
    """Show the tables' age, the last run, schedule, alarms and locks. Exit code 1: something is wrong."""
    while True:
        found = look(shell.stack, lambda: shell.warehouse(direct=direct))
        if watch and shell.output.json:
            shell.output.line({"event": "status", **asdict(found)})
        else:
            if watch and shell.output.results.is_terminal:
                shell.output.results.clear()
            shell.output.show(found, *_parts(found))
        if not watch:
            return FAILED if found.problems else UNUSABLE if found.unknown or _next_redrive(found) else SUCCESS
        sleep(WATCH_SECONDS)


def _parts(found: Status) -> Iterator[RenderableType]:
    yield Text(f"{found.place}, at {moment(found.looked_at)}")
    if found.tables is not None:
        columns = [
            *(Column("table", whole=True), Column("age", number=True)),
            *(Column(name, number=True, optional=True) for name in ("loaded", "rejected")),
            Column("of run", whole=True, optional=True),
        ]
        rows = [[each.table, duration(each.age_seconds), each.loaded, each.rejected, each.run] for each in found.tables]
        yield table("", columns, rows)
    yield facts(_facts(found))
    yield ""
    for problem in found.problems:
        yield Text.assemble(("WRONG    ", "bold red"), one_line(f"{problem.message}: {problem.do}"))
    following = _next_redrive(found)
    if found.last_run and following:
        text = f"{found.last_run.sentence}; it is redriven automatically at {moment(following)}"
        yield Text.assemble(("WAITING  ", "yellow"), one_line(text))
    for unknown in found.unknown:
        yield Text.assemble(("UNKNOWN  ", "yellow"), one_line(f"{unknown.part}: {unknown.reason}"))
    if not (found.problems or following or found.unknown):
        yield Text("OK", style="green")


def _next_redrive(found: Status) -> datetime | None:
    return found.last_run.next_redrive if found.last_run else None


def _facts(found: Status) -> Iterator[tuple[str, object]]:
    missing = {unknown.part for unknown in found.unknown}
    if found.running is not None:
        yield "last run", _run(found.last_run) if found.last_run else "none"
        running = [f"{run.name} for {duration(run.seconds)}: {pasted('watch', run.name)}" for run in found.running]
        yield from zip(chain(["running"], repeat("")), running or ["none"], strict=False)
    if found.schedule:
        yield "schedule", f"{found.schedule.state}, {found.schedule.expression}, {found.schedule.timezone}"
        yield "next start", found.schedule.next_start or "unknown" if found.schedule.state == ENABLED else "none"
    if found.alarms:
        fired = [f"{alarm.name} since {moment(alarm.since)}" for alarm in found.alarms.fired]
        yield "alarms", f"{', '.join(fired) or 'none'} of {found.alarms.total} in the state ALARM"
    if "locks" not in missing:
        yield "oldest lock", _lock(found.oldest_lock) if found.oldest_lock else "none"


def _run(run: RunState) -> Text:
    in_warehouse = f", {run.warehouse.state}" if run.warehouse else ""
    return Text.assemble(
        f"{run.name} ", status(run.status), f"{in_warehouse}, {moment(run.started)}, took {duration(run.seconds)}"
    )


def _lock(lock: TableLock) -> str:
    age = f" for {duration(lock.age_seconds)}" if lock.age_seconds is not None else ""
    return f"{lock.what}{age}: {lock.holder}"
