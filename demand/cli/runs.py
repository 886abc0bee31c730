"""`demand runs` and `demand show`: the history, and a single run."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import mean
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from demand.cli.app import Shell, check_range, command
from demand.cli.options import RunName
from demand.cli.output import FAILED, SUCCESS, Column, duration, facts, moment, status, table
from demand.cli.progress import load_line
from demand.cli.result import failure_parts, receipt_parts, state_of
from demand.runs import execution
from demand.runs.options import pasted, to_options
from demand.runs.receipt import Receipt, reasons_of_failure, receipt
from demand.runs.repair import Redrives, find_redrives
from demand.runs.report import Report, read
from demand.runs.shrinkage import shrunk_tables
from demand.runs.state import InWarehouse, State, find_states

_SEGMENTS = 3  # shown of each table


@dataclass(frozen=True)
class Summary:
    """A run in the history."""

    name: str
    status: str
    started: datetime
    seconds: float
    redrives: int
    committed: bool | None
    warehouse: InWarehouse
    input: Mapping[str, Any]
    scanned: int | None
    rejected: int | None
    loaded: int | None
    shrunk: tuple[str, ...]
    error: str | None


@dataclass(frozen=True)
class History:
    """The latest runs, newest first."""

    runs: tuple[Summary, ...]


@dataclass(frozen=True)
class Shown:
    """All facts about a run. `redrives` is null if there were none and none is planned."""

    report: Mapping[str, Any]
    warehouse: InWarehouse
    receipt: Receipt | None
    redrives: Redrives | None


@command("runs", examples=["demand runs", "demand runs --limit 50 --json"])
def runs(
    shell: Shell,
    limit: Annotated[int, typer.Option(metavar="N", help="Show the latest N runs, at most 100.")] = 10,
) -> None:
    """List the latest runs: results, duration and number of redrives."""
    check_range("--limit", limit, 1, 100)
    now = datetime.now(UTC)
    listed = execution.list_runs(shell.stack, limit)
    states = find_states(shell.warehouse, listed)
    found = tuple(summary(run, states[run.name], now) for run in listed)
    columns = [
        *(Column("run", whole=True), Column("status", whole=True), Column("warehouse", whole=True, optional=True)),
        Column("started", whole=True, optional=True),
        Column("took", number=True),
        *(Column(name, number=True, optional=True) for name in ("loaded", "rejected", "redrives", "scanned")),
        Column("note"),
    ]
    rows = [
        [
            *(entry.name, status(entry.status), str(entry.warehouse.state), entry.started, duration(entry.seconds)),
            *(entry.loaded, entry.rejected, entry.redrives, entry.scanned, _note(entry)),
        ]
        for entry in found
    ]
    shell.output.show(History(found), table("", columns, rows) if rows else Text("no runs yet: demand run"))
    for reason in dict.fromkeys(each.reason for each in states.values() if each.state is State.UNKNOWN):
        shell.output.note(f"the state of these runs in the warehouse is unknown: {reason}")


@command("show", examples=["demand show", "demand show demand-20261127T0300", "demand show --json"])
def show(shell: Shell, run: RunName = None) -> int:
    """Explain a run: errors and what to do, counts per table, slowest steps and segments."""
    report = read(shell.stack, execution.find_run(shell.stack, run))
    warehouse = state_of(shell, report.run)
    found = receipt(shell.stack, report, warehouse) if report.run.output is not None else None
    parts: list[RenderableType] = []
    if found:
        parts += receipt_parts(found)
    elif report.run.is_running:
        parts.append(
            Text.assemble(f"run {report.run.name} ", status(report.run.status), f": {pasted('watch', report.run.name)}")
        )
    else:
        reasons, complete = reasons_of_failure(shell.stack, report)
        parts += failure_parts(report, warehouse, reasons, complete=complete)
    redrives = find_redrives(shell.stack, report.run)
    if redrives:
        parts += ["", facts([("redrives", redrives.sentence)])]
    shell.output.show(Shown(asdict(report), warehouse, found, redrives), *parts, *_course(report))
    return FAILED if report.failures else SUCCESS


def summary(run: execution.Run, warehouse: InWarehouse, now: datetime) -> Summary:
    """Return the list's entry of a run."""
    sums = {name: sum(int(entry[name]) for entry in run.tables) for name in ("scanned", "rejected", "loaded")}
    counted: dict[str, int | None] = {**sums} if run.output is not None else dict.fromkeys(sums)
    return Summary(
        name=run.name,
        status=run.status,
        started=run.started,
        seconds=run.seconds(now),
        redrives=run.redrives,
        committed=run.committed if warehouse.is_committed is None else warehouse.is_committed,
        warehouse=warehouse,
        input=run.input,
        shrunk=shrunk_tables(run.tables),
        error=run.error,
        **counted,
    )


def _note(entry: Summary) -> str:
    words = "; ".join([*entry.shrunk, entry.error or shlex.join(to_options(entry.input))]).removesuffix("; ")
    if entry.warehouse.state is State.ROLLED_BACK:
        return f"{words}; rolled back: {entry.warehouse.reason}".removeprefix("; ")
    return f"{words}, but {entry.warehouse.state}" if entry.error and entry.committed else words


def _course(report: Report) -> list[RenderableType]:
    """The progress of the run, for people."""
    now = report.run.stopped or datetime.now(UTC)
    started = f"{moment(report.run.started)}, input: {shlex.join(to_options(report.run.input)) or 'none'}"
    parts: list[RenderableType] = [
        "",
        facts([("started", started), ("retries", report.retries), ("load", load_line(report.load, now))]),
    ]
    numbers = ("segments", "chunks", "scanned", "staged", "rejected", "read units", "took")
    columns = [Column("table")]
    columns += [Column(name, number=True, optional=name in {"chunks", "read units"}) for name in numbers]
    rows = [
        [
            *(entry.table, f"{entry.segments_done}/{entry.segments_total}", entry.chunks, entry.scanned, entry.staged),
            *(entry.rejected, entry.read_units, duration(entry.seconds(now))),
        ]
        for entry in report.tables
    ]
    if rows:
        parts.append(table("tables", columns, rows))
    if segments := _segments(report):
        columns = [Column("table"), Column("segment", number=True), Column("state")]
        columns += [Column(name, number=True) for name in ("items", "of the mean", "took")]
        parts.append(table("slowest segments", columns, segments))
    if report.slowest:
        steps = [[step.place, step.table, step.attempts, duration(step.seconds)] for step in report.slowest]
        columns = [Column("step"), Column("table"), Column("attempts", number=True), Column("took", number=True)]
        parts.append(table("slowest steps", columns, steps))
    return parts


def _segments(report: Report) -> list[list[object]]:
    """The slowest segments of each table, and their items compared with the mean, which shows skew."""
    rows: list[list[object]] = []
    for entry in report.tables:
        average = mean(segment.scanned for segment in entry.segments) if entry.segments else 0
        for segment in sorted(entry.segments, key=lambda segment: -segment.seconds)[:_SEGMENTS]:
            share = f"{segment.scanned / average:.0%}" if average else None
            state = Text(segment.state, style="red" if segment.state == "failed" else "")
            rows.append([entry.table, segment.number, state, segment.scanned, share, duration(segment.seconds)])
    return rows
