"""The progress of a run: a bar per table on a terminal, an occasional line elsewhere, lines of JSON for programs."""

import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from rich.progress import (
    BarColumn,
    Progress,  # noqa: TID251 - drawn on the console of the output
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
)

from demand.cli.console import one_line
from demand.cli.output import Output, duration
from demand.runs.options import wanted_tables
from demand.runs.report import Load, Report
from demand.runs.tables import TableProgress

_QUIET_SECONDS = 10.0  # between lines while only counts change
_PROBLEM = 300  # characters of an error


class Display(Protocol):
    """Shows the progress of a run."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """End, also after Ctrl-C."""
        ...

    def update(self, report: Report) -> None:
        """Show the changes."""
        ...


def watch(reports: Iterable[Report], display: Display) -> Report:
    """Show each report and return the last one."""
    last: Report | None = None
    with display:
        for last in reports:
            display.update(last)
    if last is None:
        raise ValueError("there is always one report")
    return last


def display_for(output: Output, *, lines_of_json: bool = False) -> Display:
    """Return the display that suits the output."""
    if lines_of_json and output.json:
        return _JsonLines(output)
    return _Bars(output) if output.is_live else _Lines(output)


def table_line(table: TableProgress, now: datetime) -> str:
    """Return items, segments, rate and remaining time of a table as text."""
    parts = [f"{table.converted:,} items"]
    if table.segments_total is not None:
        parts.append(f"{table.segments_done}/{table.segments_total} segments")
    if table.rejected:
        parts.append(f"{table.rejected:,} rejected")
    seconds = table.seconds(now)
    if table.is_done:
        parts.append(duration(seconds))
    elif table.converted and seconds > 0:
        parts.append(f"{table.converted / seconds:,.0f}/s")
        if table.share:
            parts.append(f"{duration(seconds / table.share - seconds)} left")
    return ", ".join(parts)


def load_line(load: Load, now: datetime) -> str:
    """Return the state of the load as text."""
    parts = [load.state]
    if load.chunks_copied:
        parts.append(f"{load.chunks_copied}/{load.chunks} chunks copied")
    if load.started and load.state not in ("done", "done (dry run)", "failed", "aborted"):
        parts.append(duration((now - load.started).total_seconds()))
    if load.problem:
        attempt = f"attempt {load.attempt} after " if load.attempt > 1 else ""
        parts.append(f"{attempt}{load.problem}"[:_PROBLEM])
    return ", ".join(parts)


class _Bars:
    """One bar per table and one for the load; the last state stays on the screen."""

    def __init__(self, output: Output) -> None:
        ascii_only = output.notes.options.ascii_only
        self._progress = Progress(
            SpinnerColumn("line" if ascii_only else "dots", finished_text="ok"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None if output.notes.width < 100 else 40),  # noqa: PLR2004 - a wide terminal
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            console=output.notes,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, report: Report) -> None:
        now = datetime.now(UTC)
        found = {table.table: table for table in report.tables}
        for name in wanted_tables(report.run.input):
            if name not in found:
                self._show(name, 0.0, "waiting")
        for name, table in found.items():
            self._show(name, table.share, table_line(table, now))
        load = report.load
        share = 1.0 if report.run.output else load.chunks_copied / load.chunks if load.chunks else 0.0
        self._show("load", min(share, 0.99) if report.run.is_running else share, load_line(load, now))

    def _show(self, name: str, share: float, words: str) -> None:
        detail = one_line(words)
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=1.0, detail=detail)
        self._progress.update(self._tasks[name], completed=share, detail=detail)


class _Lines:
    """A line at the end of each segment, at each step of the load, and every few seconds in between."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._steps: Any = None
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, report: Report) -> None:
        now = datetime.now(UTC)
        steps = [(table.table, table.segments_done, table.segments_total) for table in report.tables]
        load = report.load
        current = (steps, load.state, load.attempt, load.problem, load.chunks_copied, report.run.status)
        if current == self._steps and time.monotonic() - self._said < _QUIET_SECONDS:
            return
        self._steps, self._said = current, time.monotonic()
        tables = [f"{table.table} {table_line(table, now)}" for table in report.tables]
        self._output.note("; ".join([*tables, f"load {load_line(load, now)}"]))


class _JsonLines:
    """One JSON object per change."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._last: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, report: Report) -> None:
        tables = [
            {name: value for name, value in asdict(table).items() if name != "segments"}
            | {"segments_done": table.segments_done, "share": table.share}
            for table in report.tables
        ]
        current = {"run": report.run.name, "status": report.run.status, "tables": tables, "load": asdict(report.load)}
        if current != self._last:
            self._last = current
            self._output.line({"event": "progress", **current})
