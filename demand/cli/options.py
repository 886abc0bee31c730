"""Options and arguments of several commands, each with one meaning."""

from typing import Annotated, Any

import typer

from demand.errors import UsageError
from demand_pipeline.builders import TABLES

_RUN = "A run's name, the beginning of it, or its ARN"


def run_name(otherwise: str) -> Any:
    """Return the argument RUN of a command; `otherwise` describes the default."""
    return typer.Argument(metavar="[RUN]", show_default=False, help=f"{_RUN}. Default: {otherwise}.")


def table_list(purpose: str) -> Any:
    """Return the option --tables of a command, whose value `table_names` reads."""
    return typer.Option("--tables", metavar="NAMES", help=f"{purpose}, such as cases,audit.")


RunName = Annotated[str | None, run_name("the latest")]
Direct = Annotated[
    bool, typer.Option("--direct", help="Connect to PostgreSQL from here, not through the function in the VPC.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Detach = Annotated[bool, typer.Option("--detach", help="Do not watch the run.")]


def table_names(given: list[str] | None) -> list[str] | None:
    """Return the names in options such as `cases,audit`, each once; None without the option. Raises UsageError."""
    if given is None:
        return None
    names = [name.strip() for words in given for name in words.split(",")]
    for name in names:
        if name not in TABLES:
            raise UsageError(f"--tables {','.join(given)}: expected some of {', '.join(TABLES)}, got {name!r}")
    return list(dict.fromkeys(names))
