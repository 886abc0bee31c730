"""Record the session of docs/demand.md on the local stack: `make demo`, then `python -m scripts.demand_session`.

Not part of `make generate`: names and times are those of the day.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

from local import sam
from local.stack import Stack

PAGE = Path("docs/demand.md")
_COLUMNS, _ROWS = 112, 50
_MARKED = re.compile(r"(<!-- session -->\n).*?(<!-- /session -->\n)", re.DOTALL)
_TABLE, _COLUMN = "cases", "page_count"  # a bigint


def sessions(stack: Stack) -> Iterator[str]:
    """A run that fails because a column has another type than its declaration, and its redrive after a fix."""
    change = f"ALTER TABLE {_TABLE} ALTER COLUMN {_COLUMN} TYPE"
    stack.postgres.execute(f"{change} integer")
    try:
        yield record(stack, "demand run --tables cases,templates")
    finally:
        stack.postgres.execute(f"{change} bigint")
    yield record(stack, "demand redrive --yes")
    yield record(stack, "demand runs")


def record(stack: Stack, line: str) -> str:
    """Run a command line on a terminal without colours and return what it shows."""
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    environment = sam.environment(stack.folder / "sam", stack.environment) | {
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": str(_COLUMNS),
        "LINES": str(_ROWS),
    }
    command = [sys.executable, "-m", *line.split()]
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
    """Write the session into the page."""
    stack = Stack()
    stack.require_up()
    session = "\n\n".join(sessions(stack))
    text, found = _MARKED.subn(
        lambda marks: f"{marks[1]}```console\n{session}\n```\n{marks[2]}", PAGE.read_text(encoding="utf-8")
    )
    if not found:
        sys.exit(f"{PAGE}: expected the marks <!-- session --> and <!-- /session -->")
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE}: written")


if __name__ == "__main__":
    main()
