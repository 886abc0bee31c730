"""The options and arguments that several commands have, each with one meaning."""

from typing import Annotated, Any

import typer

from demand.errors import UsageError
from demand_pipeline.builders import TABLES

_RUN = "A run's name, the beginning of it, or its ARN"


def run_name(otherwise: str) -> Any:
    """The argument RUN of a command, and what the command takes without it."""
    return typer.Argument(metavar="[RUN]", show_default=False, help=f"{_RUN}; otherwise {otherwise}.")


def table_list(purpose: str) -> Any:
    """The option --tables of a command, to be read by `table_names`."""
    return typer.Option("--tables", metavar="NAMES", help=f"{purpose}, such as cases,audit.")


RunName = Annotated[str | None, run_name("the latest")]
Direct = Annotated[
    bool, typer.Option("--direct", help="Connect to PostgreSQL from here, rather than from the function in the VPC.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Detach = Annotated[bool, typer.Option("--detach", help="Do not watch it.")]


def table_names(given: list[str] | None) -> list[str] | None:
    """Names from options such as `cases,audit`, each once; None without the option. Raises UsageError."""
    if given is None:
        return None
    names = [name.strip() for words in given for name in words.split(",")]
    for name in names:
        if name not in TABLES:
            raise UsageError(f"--tables {','.join(given)}: expected some of {', '.join(TABLES)}, got {name!r}")
    return list(dict.fromkeys(names))
