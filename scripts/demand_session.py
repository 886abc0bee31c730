"""Record the sessions of docs/demand.md: `make demo STRATEGY=swap`, then `python -m scripts.demand_session`.

This is not part of `make generate`, since names and times differ each time.
"""

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

from demand_pipeline.contracts.loading import Strategy
from local import caller, changes, run, sam
from local.stack import Stack

PAGE = Path("docs/demand.md")
_COLUMNS, _ROWS = 112, 50
_MARKED = re.compile(r"(<!-- session: (\w+) -->\n).*?(<!-- /session -->\n)", re.DOTALL)
_TABLE, _COLUMN = "cases", "page_count"  # a bigint


def redrive(stack: Stack) -> Iterator[str]:
    """Record a run that fails because a column's type differs from its declaration, and its redrive after a fix."""
    change = f"ALTER TABLE {_TABLE} ALTER COLUMN {_COLUMN} TYPE"
    stack.postgres.execute(f"{change} integer")
    try:
        yield record(stack, "demand run --tables cases,templates")
    finally:
        stack.postgres.execute(f"{change} bigint")
    yield record(stack, "demand redrive --yes")
    yield record(stack, "demand runs")


def rollback(stack: Stack) -> Iterator[str]:
    """Record the changes of a run, the rollback to the rows before it, and the next run, which replaces them again."""
    changes.change_items(stack.client("dynamodb"))
    run.refresh(stack)
    yield record(stack, "demand diff --tables cases,templates --samples 3")
    yield record(stack, 'demand rollback --reason "the collector wrote test data" --yes')
    yield record(stack, "demand diff --tables cases --samples 3")
    run.refresh(stack)
    yield record(stack, "demand diff --tables cases --samples 0")


def status(stack: Stack) -> Iterator[str]:
    """The state of a stack after a run."""
    yield record(stack, "demand status")


SESSIONS: dict[str, Callable[[Stack], Iterator[str]]] = {"redrive": redrive, "rollback": rollback, "status": status}


def record(stack: Stack, line: str) -> str:
    """Run a command line on a terminal without colours and return its output."""
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    environment = sam.environment(stack.folder / "sam", stack.environment) | {
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": str(_COLUMNS),
        "LINES": str(_ROWS),
    }
    command = [sys.executable, "-m", *shlex.split(line)]
    with subprocess.Popen(command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal):  # noqa: S603 - ours
        os.close(terminal)
        shown = b""
        try:
            while block := os.read(master, 1 << 16):
                shown += block
        except OSError:  # Linux's end of a terminal
            pass
    os.close(master)
    lines = [text.rstrip() for text in shown.decode().splitlines()]
    return "\n".join([f"$ {line}", *(text for text in lines if text)])


def main() -> None:
    """Write the sessions into the page, in the page's order."""
    caller.forget()
    stack = Stack()
    stack.require_up()
    if (strategy := sam.parameters(stack.client("cloudformation"))["LoadStrategy"]) != Strategy.SWAP:
        sys.exit(f"expected the stack of make demo STRATEGY=swap, found LoadStrategy {strategy}")

    def recorded(marks: re.Match[str]) -> str:
        session = "\n\n".join(SESSIONS[marks[2]](stack))
        return f"{marks[1]}```console\n{session}\n```\n{marks[3]}"

    PAGE.write_text(_MARKED.sub(recorded, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{PAGE}: written")


if __name__ == "__main__":
    main()
