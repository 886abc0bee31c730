"""`demand logs`: the log records of all functions in one run."""

from typing import Annotated

import typer
from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.options import RunName
from demand.logs import LogLine, read_logs
from demand.runs import execution
from demand.runs.history import History
from demand.runs.tasks import Tasks

_COLOURS = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow"}


@command(
    "logs", examples=["demand logs", "demand logs --errors", "demand logs demand-20261127T0300 --json | jq .message"]
)
def logs(
    shell: Shell,
    run: RunName = None,
    errors: Annotated[bool, typer.Option("--errors", help="Show only errors.")] = False,
) -> None:
    """Print the log records of all functions in a run, in order. With --json, one object per line."""
    found = execution.find_run(shell.stack, run)
    tasks = Tasks()
    tasks.add(History(shell.stack.client("stepfunctions"), found.arn).update())
    lines = 0
    for line in read_logs(shell.stack, found, tasks.attempts, errors=errors):
        lines += 1
        if shell.output.json:
            shell.output.line(line)
        else:
            shell.output.results.print(_text(line), soft_wrap=True)  # like any log
    shell.output.note(f"{lines:,} {'errors' if errors else 'records'} of run {found.name}")


def _text(line: LogLine) -> Text:
    place = line.table or ""
    if line.segment is not None:
        place += f"/{line.segment}"
    fields = " ".join(f"{name}={value}" for name, value in line.fields.items())
    message, fields = (text.replace("\n", "\n    ") for text in (str(line.message), fields))  # not a separate record
    return Text.assemble(
        (f"{line.at.astimezone():%H:%M:%S.%f}"[:-3], "dim"),
        f" {line.function:<18} ",
        (f"{line.level:<7}", _COLOURS.get(line.level, "")),
        f" {place:<14} {message} ",
        (fields, "dim"),
    )
