"""`demand report`: a run as a file to share."""

import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.options import Direct, RunName
from demand.cli.output import duration
from demand.errors import DemandError, UsageError
from demand.private_file import open_private
from demand.report.facts import Facts, gather
from demand.report.summary import summary
from demand.runs import execution
from demand.runs.recorded import full_name, recorded_run
from demand.warehouse import Warehouse


@dataclass(frozen=True)
class Written:
    """The file, its size in bytes, and the facts that are missing from it."""

    run: str
    file: str
    bytes: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """The lines of a summary, the first of which is the title, and the facts that are missing."""

    run: str
    lines: tuple[str, ...]
    missing: tuple[str, ...]


@command(
    "report",
    examples=[
        "demand report --open",
        "demand report demand-20261127T0300 -o monday.html --samples",
        "demand report --summary",
    ],
)
def report(
    shell: Shell,
    run: RunName = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write. Default: report.html.")
    ] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Show rejected items: shortened keys and values.")] = False,
    open_it: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    in_short: Annotated[
        bool, typer.Option("--summary", help="Print five lines for a chat, and write no file.")
    ] = False,
    direct: Direct = False,
) -> None:
    """Write a report of a run: one self-contained HTML file, for a browser, a phone or paper."""
    if in_short and (output or samples or open_it):
        raise UsageError("--summary: cannot be combined with --output, --samples or --open")

    def ask() -> Warehouse:
        return shell.warehouse(direct=direct)

    facts = gather(shell.stack, _find(shell, run, ask), ask, samples=samples)
    if in_short:
        lines = summary(facts, duration)
        shell.output.show(Summary(facts.run.name, lines, facts.missing), *map(Text, lines))
    else:
        _write(shell, facts, output or Path("report.html"), open_it=open_it)
    for sentence in facts.missing:
        shell.output.note(f"not in the report: {sentence}")


def _write(shell: Shell, facts: Facts, output: Path, *, open_it: bool) -> None:
    from demand.report.page import render  # noqa: PLC0415 - only this needs Jinja

    page = render(facts, duration).encode(errors="replace")
    try:
        with open_private(output) as file:
            file.write(page)
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror}") from error
    shell.output.show(Written(facts.run.name, str(output), len(page), facts.missing), Text(str(output)))
    if open_it and not webbrowser.open(output.resolve().as_uri()):
        shell.output.note(f"found no browser (BROWSER may name one): open {output} yourself")


def _find(shell: Shell, name: str | None, ask: Callable[[], Warehouse]) -> execution.Run:
    """Find the run in Step Functions, or in the warehouse's records."""
    try:
        return execution.find_run(shell.stack, name)
    except DemandError as error:
        if name is None or error.kind != "UnknownRun":
            raise
        try:
            remembered = recorded_run(ask(), full_name(ask(), name))
        except DemandError:
            remembered = None  # the first error is more helpful
        if remembered is None:
            raise
        return remembered
