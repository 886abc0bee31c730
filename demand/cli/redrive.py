"""`demand redrive` and `demand stop`: continue a failed run, or stop an active one."""

from dataclasses import dataclass

from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.options import Detach, RunName, Yes
from demand.cli.output import FAILED, SUCCESS, Column, table
from demand.cli.result import plain, state_of
from demand.cli.run import follow_to_the_end
from demand.runs import execution
from demand.runs.options import pasted
from demand.runs.redrive import Plan, plan
from demand.runs.redrive import redrive as redrive_run
from demand.runs.report import read


@dataclass(frozen=True)
class Stopped:
    """A run that was stopped, as JSON."""

    run: str
    arn: str
    status: str


@command(
    "redrive",
    examples=["demand redrive", "demand redrive demand-20261127T0300 --yes", "demand redrive --detach --yes --json"],
)
def redrive(
    shell: Shell,
    run: RunName = None,
    yes: Yes = False,
    detach: Detach = False,
) -> int:
    """Continue a failed run where it failed: show the plan, ask, redrive, watch."""
    found = execution.find_run(shell.stack, run)
    planned = plan(shell.stack, read(shell.stack, found), state_of(shell, found))
    _explain(shell, planned)
    if not shell.may_change(f"Redrive {found.name}?", yes=yes):
        return FAILED
    redrive_run(shell.stack, found)
    if detach:
        shell.output.show(planned, pasted("watch", found.name))
        return SUCCESS
    return follow_to_the_end(shell, found, redrives=found.redrives + 1)


@command("stop", examples=["demand stop", "demand stop demand-20261127T0300 --yes"])
def stop(shell: Shell, run: RunName = None, yes: Yes = False) -> int:
    """Stop an active run. The warehouse keeps its rows; a redrive continues the run."""
    found = execution.find_run(shell.stack, run)
    if found.is_running and not shell.may_change(f"Stop {found.name}?", yes=yes):
        return FAILED
    stopped = execution.stop(shell.stack, found, "stopped by demand stop")
    text = f"run {stopped.name} is {stopped.status}; to continue it: {pasted('redrive', stopped.name)}"
    shell.output.show(Stopped(stopped.name, stopped.arn, stopped.status), Text(text))
    return SUCCESS


def _explain(shell: Shell, planned: Plan) -> None:
    """Print the plan on stderr."""
    rows = [
        [entry.table, _numbers(entry.kept), entry.kept_items, _numbers(entry.again), entry.first_time]
        for entry in planned.tables
    ]
    columns = [Column("table"), Column("segments kept"), Column("their items", number=True), Column("run again")]
    columns.append(Column("for the first time", number=True))
    shell.output.notes.print(table(f"redrive of {planned.run}", columns, rows))
    shell.output.note(f"the load {planned.load}")
    for warning in planned.warnings:
        shell.output.warn(plain(warning))


def _numbers(numbers: tuple[int, ...]) -> str:
    """Format numbers as ranges: 0-2, 5."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts) or "none"
