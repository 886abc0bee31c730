"""The command line itself: how a command is declared, the options that all have, and what every exit code means."""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from demand.aws import Clients
from demand.cli.output import INTERRUPTED, SUCCESS, UNUSABLE, Output
from demand.config import Config, Flags, find_config
from demand.errors import DemandError, UsageError, from_aws
from demand.stack import Stack, find_stack

_COMMON = "Options of every command"

app = typer.Typer(
    name="demand",
    help="Runs the demand pipeline, watches it, and explains what happened. demand COMMAND --help has examples.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # one line, see main
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


@app.callback()
def _callback() -> None:
    """Make it a group, even of one command."""


def _common(
    stack: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=_COMMON, help="The stack; otherwise DEMAND_STACK, then samconfig.toml.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=_COMMON, help="Its region; otherwise DEMAND_REGION, then samconfig.toml, then AWS's own.")] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=_COMMON, help="A profile of the AWS configuration.")] = None,
    config_env: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=_COMMON, help="The environment in samconfig.toml, such as prod.")] = None,
    config_file: Annotated[Path | None, typer.Option(metavar="FILE", rich_help_panel=_COMMON, help="Another samconfig.toml.")] = None,
    json_wanted: Annotated[bool, typer.Option("--json", rich_help_panel=_COMMON, help="Write the result, or the error, as JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", rich_help_panel=_COMMON, help="Show the traceback of an error.")] = False,
) -> None:  # fmt: skip
    """Declare the options that every command has."""


class Shell:
    """What a command works with: its output, and the stack, which is looked up when it is first needed."""

    def __init__(self, output: Output, flags: Flags) -> None:
        self.output = output
        self.flags = flags

    @cached_property
    def config(self) -> Config:
        """The settings that were found."""
        return find_config(self.flags)

    @cached_property
    def clients(self) -> Clients:
        """AWS with these settings."""
        return Clients(self.config)

    @cached_property
    def stack(self) -> Stack:
        """The deployed stack."""
        return find_stack(self.config, self.clients)


type Command = Callable[..., int | None]


def command(name: str, *, examples: Sequence[str], group: typer.Typer = app) -> Callable[[Command], Command]:
    """Declare a command: a function of a Shell and its own options, which returns an exit code, or None for success.

    The docstring is its help, and `examples` are whole command lines.
    """

    def register(function: Command) -> Command:
        shared = inspect.signature(_common).parameters
        _shell, *own = inspect.signature(function).parameters.values()

        @functools.wraps(function)
        def call(**given: Any) -> int:
            common = {option: given.pop(option) for option in shared}
            output = Output(json_wanted=common.pop("json_wanted"))
            common.pop("debug")  # main reads it, for errors in the arguments too
            return function(Shell(output, Flags(**common)), **given) or SUCCESS

        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared.values())]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del call.__wrapped__  # type: ignore[attr-defined]  # whose annotations typer would read instead
        group.command(name, epilog="\n\n".join(["[b]Examples[/b]", *(f"$ {line}" for line in examples)]))(call)
        return function

    return register


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors become one line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _tolerate_encodings()
    output = Output(json_wanted="--json" in given)
    try:
        code: int | None = app(args=given, prog_name="demand", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        return SUCCESS
    except (KeyboardInterrupt, typer.Abort):
        output.note("interrupted")
        return INTERRUPTED
    except Exception as error:
        if "--debug" in given:
            output.notes.print_exception()
        output.fail(_described(error))
        return UNUSABLE
    if code == INTERRUPTED:
        output.note("interrupted")
    return code or SUCCESS


def _described(error: Exception) -> DemandError:
    if isinstance(error, DemandError):
        return error
    if isinstance(error, TyperException):
        return UsageError(" ".join(error.format_message().split()), _help_of(error))
    if found := from_aws(error):
        return found
    message = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
    return DemandError("Unexpected", message, "the same with --debug; it is our bug")


def _help_of(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'demand'} --help"


def _tolerate_encodings() -> None:
    """A terminal without UTF-8 shows a question mark, rather than an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
