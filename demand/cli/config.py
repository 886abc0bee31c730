"""`demand config`: the settings, and the source of each."""

from dataclasses import dataclass

from demand.cli.app import Shell, command
from demand.cli.output import UNUSABLE, Column, table
from demand.config import Setting
from demand.errors import DemandError, from_aws


@dataclass(frozen=True)
class Settings:
    """All settings and the stack's outputs; `error` is the reason if the stack could not be read."""

    settings: tuple[Setting, ...]
    stack: tuple[Setting, ...]
    error: str | None


@command("config", examples=["demand config", "demand config --config-env prod --json"])
def config(shell: Shell) -> int:
    """Show each setting with its source, and the outputs of the stack."""
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
