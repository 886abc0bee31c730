"""The command line itself: the declaration of commands, the options of all commands, and `main`."""

import inspect
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from demand.aws import Clients
from demand.cli.output import INTERRUPTED, SUCCESS, UNUSABLE, Output, nobody_reads, tolerate_encodings
from demand.config import Config, Flags, find_config
from demand.errors import DemandError, UsageError, from_aws, named_error
from demand.stack import Stack, find_stack
from demand.warehouse import Warehouse, directly, through_function
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.errors import PipelineError

# The groups of demand --help.
PANELS = {
    "See the state": ("status", "runs", "show", "logs", "locks", "explain", "report"),
    "Start and continue runs": ("estimate", "run", "watch", "redrive", "stop", "pause", "resume"),
    "Check and restore rows": ("verify", "drift", "diff", "rollback", "rejects"),
    "Set up": ("doctor", "infer", "config"),
}


def panel(name: str) -> str:
    """The group of a command, or of a group of commands such as `rejects`; raises StopIteration if it has none."""
    return next(title for title, names in PANELS.items() if name.partition(" ")[0] in names)


def _refuse_empty(command: Any, ctx: Any, args: Sequence[str]) -> None:
    """Raise UsageError for an empty value: it usually comes from an unset variable in a script."""
    given, _, order = command.make_parser(ctx).parse_args(list(args))
    for parameter in order:
        value = given.get(parameter.name or "")
        values = value if isinstance(value, list) else [value]
        if any(isinstance(each, str) and not each.strip(" ,") for each in values):
            metavar = str(getattr(parameter, "metavar", "")).strip("[]")
            name = parameter.opts[0] if parameter.opts[0].startswith("-") else metavar
            raise UsageError(f"{name}: expected a value, got an empty one", f"{ctx.command_path} --help")


def _hide_type_of_flags[Parameters: Sequence[Any]](parameters: Parameters) -> Parameters:
    """Without a metavar, the help would show <bool> next to each flag."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


class _Command(TyperCommand):
    """A command that refuses empty values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _refuse_empty(self, ctx, args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        return _hide_type_of_flags(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands that refuses empty values of the options before a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options before the command's name; raises UsageError."""
        _refuse_empty(self, ctx, args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the group's options as the help shows them."""
        return _hide_type_of_flags(super().get_params(ctx))


app = typer.Typer(
    name="demand",
    cls=Group,
    help="Start, watch and explain runs of the demand pipeline. demand COMMAND --help shows examples.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # one line, see main
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


_KIND = inspect.Parameter.KEYWORD_ONLY


def _option(name: str, kind: Any, metavar: str | None, text: str) -> inspect.Parameter:
    """Build an option of every command, spelled like its name."""
    default = False if kind is bool else None
    word = f"--{name.replace('_', '-')}"
    option = typer.Option(word, metavar=metavar, help=text, rich_help_panel="Options of every command")
    return inspect.Parameter(name, _KIND, default=default, annotation=Annotated[kind, option])


SHARED = (
    _option("stack", str | None, "NAME", "The stack. Default: DEMAND_STACK, then samconfig.toml."),
    _option(
        "region", str | None, "NAME", "The stack's region. Default: DEMAND_REGION, samconfig.toml, then AWS's settings."
    ),
    _option("profile", str | None, "NAME", "A profile of the AWS configuration."),
    _option("config_env", str | None, "NAME", "The environment in samconfig.toml, such as prod."),
    _option("config_file", Path | None, "FILE", "A different samconfig.toml."),
    _option("json", bool, None, "Write the result, or the error, as JSON."),
    _option("debug", bool, None, "Show the traceback of an error."),
)


def _declare(function: Callable[..., Any], own: Sequence[inspect.Parameter]) -> None:
    """Declare a function's own parameters, the shared options and typer's context, as typer reads them."""
    context = inspect.Parameter("ctx", _KIND, annotation=typer.Context)
    parameters = [*own, *SHARED, context]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _show_version(wanted: bool) -> None:
    if wanted:
        text = f"demand {version('demand-pipeline')}, contract {CONTRACT}, Python {python_version()}"
        Output(json_wanted=False).results.print(text, soft_wrap=True)
        raise typer.Exit


def _before_the_command(ctx: typer.Context, **given: Any) -> None:
    """Keep the shared options that stand before the command's name."""
    ctx.obj = given


_VERSION = Annotated[
    bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
]
_declare(_before_the_command, [inspect.Parameter("version", _KIND, default=False, annotation=_VERSION)])
app.callback()(_before_the_command)


def check_range(option: str, value: float | None, low: float, high: float | None = None) -> None:
    """Raise UsageError for a number out of range; typer's own message would not contain the number."""
    if value is not None and (value < low or (high is not None and value > high)):
        expected = f"{low} or more" if high is None else f"{low} to {high}"
        raise UsageError(f"{option} {value:g}: expected a number, {expected}")


class Shell:
    """The output of a command, and its stack, which is looked up at its first use."""

    def __init__(self, output: Output, flags: Flags) -> None:
        self.output = output
        self.flags = flags

    @cached_property
    def config(self) -> Config:
        """The settings of the command."""
        return find_config(self.flags)

    @cached_property
    def clients(self) -> Clients:
        """Clients of AWS with these settings."""
        return Clients(self.config)

    @cached_property
    def stack(self) -> Stack:
        """The deployed stack."""
        return find_stack(self.config, self.clients)

    def may_change(self, question: str, *, yes: bool, always: bool = True) -> bool:
        """Show the place of the change and ask: always, or only in production. `yes` answers the question."""
        self.output.note(self.stack.place)
        environments = (self.stack.parameters.get("Environment", ""), self.config.config_env.value or "")
        is_production = any(name.lower().startswith("prod") for name in environments)
        if not (always or is_production) or self.output.confirm(question, yes=yes):
            return True
        self.output.note("nothing was done")
        return False

    def warehouse(self, *, direct: bool = False) -> Warehouse:
        """Return the warehouse of the stack, reached through the function in the VPC, or directly from here."""
        return directly(self.stack, self.config) if direct else through_function(self.stack)


EXAMPLES: dict[str, tuple[str, ...]] = {}
"""Examples by command, for the help and docs/demand.md."""

type Command = Callable[..., int | None]


def command(name: str, *, examples: Sequence[str], group: typer.Typer = app) -> Callable[[Command], Command]:
    """Declare a command: a function of a Shell and its own options, which returns an exit code, or None for success.

    The docstring is the help, and `examples` are whole command lines. The name of a command in a group starts with the
    group's name: `rejects replay`.
    """

    def register(function: Command) -> Command:
        _shell, *own = inspect.signature(function).parameters.values()

        def call(ctx: typer.Context, **given: Any) -> int:
            before = ctx.find_root().obj
            shared = {option.name: given.pop(option.name) or before[option.name] for option in SHARED}
            output = Output(json_wanted=shared.pop("json"))
            del shared["debug"]  # main reads it, for errors in the arguments too
            try:
                return function(Shell(output, Flags(**shared)), **given) or SUCCESS
            except KeyboardInterrupt:
                output.note("interrupted")
                return INTERRUPTED

        call.__doc__ = function.__doc__
        _declare(call, [parameter.replace(kind=_KIND) for parameter in own])
        EXAMPLES[name] = tuple(examples)
        epilog = "\n".join(["\b", "Examples", *(f"  $ {line}" for line in examples)])
        group.command(name.rpartition(" ")[2], cls=_Command, epilog=epilog, rich_help_panel=panel(name))(call)
        return function

    return register


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors become one line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    tolerate_encodings()
    output = Output(json_wanted="--json" in given)
    try:
        code: int | None = app(args=given or ["--help"], prog_name="demand", standalone_mode=False)
        output.flush()
    except BrokenPipeError:
        return nobody_reads()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # from typer
            return nobody_reads()
        raise
    except typer.Abort:  # the end of the input, where a question was asked
        output.note("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - no traceback unless asked for
        if "--debug" in given:
            output.notes.print_exception()
        output.fail(_described(error))
        return UNUSABLE
    return code or SUCCESS


def _described(error: Exception) -> DemandError:
    if isinstance(error, DemandError):
        return error
    if isinstance(error, TyperException):
        return UsageError(" ".join(error.format_message().split()), _help_of(error))
    if isinstance(error, PipelineError):
        return named_error(type(error).__name__, str(error))
    if found := from_aws(error):
        return found
    message = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
    return DemandError("Unexpected", message, "this is a bug in the tool; --debug shows the traceback")


def _help_of(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'demand'} --help"
