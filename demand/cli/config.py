"""`demand config`: which stack, and why this one."""

from dataclasses import dataclass

from demand.cli.app import Shell, command
from demand.cli.output import UNUSABLE, Column, table
from demand.config import Setting
from demand.errors import DemandError, from_aws


@dataclass(frozen=True)
class Settings:
    """Every setting, what the stack says, and why it could not be asked."""

    settings: tuple[Setting, ...]
    stack: tuple[Setting, ...]
    error: str | None


@command("config", examples=["demand config", "demand config --config-env prod --json"])
def config(shell: Shell) -> int:
    """Show each setting and where it came from, and what the stack consists of."""
    found = shell.config
    settings = [found.stack, found.region, found.profile, found.endpoint, found.config_env, found.config_file]
    stack: list[Setting] = []
    problem = None
    try:
        stack = [Setting(name, value, "output of the stack") for name, value in sorted(shell.stack.outputs.items())]
    except Exception as error:
        problem = error if isinstance(error, DemandError) else from_aws(error)
        if problem is None:
            raise
    columns = [Column("setting"), Column("value"), Column("from")]
    rows = [(setting.name, setting.value, setting.source) for setting in (*settings, *stack)]
    shell.output.show(
        Settings(tuple(settings), tuple(stack), problem.message if problem else None), table("", columns, rows)
    )
    if problem and not shell.output.json:
        shell.output.fail(problem)
    return UNUSABLE if problem else 0
