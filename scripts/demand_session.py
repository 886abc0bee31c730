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
from pathlib import Path

from local import sam
from local.stack import Stack

PAGE = Path("docs/demand.md")
_COLUMNS, _ROWS = 110, 50
_MARKED = re.compile(r"(<!-- session -->\n).*?(<!-- /session -->\n)", re.DOTALL)
# A run whose limit of rejects is too low, what it is explained with, and one that is right.
COMMANDS = (
    "demand run --tables cases,templates --max-reject-percent 0.1",
    "demand redrive --yes --detach",
    "demand run --tables cases,templates",
    "demand runs",
)


def record(stack: Stack, line: str) -> str:
    """Run a command line on a terminal without colours and return what it shows."""
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    environment = sam.environment(stack.folder / "sam", stack.environment) | {"TERM": "dumb", "NO_COLOR": "1"}
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
    sessions = "\n\n".join(record(stack, line) for line in COMMANDS)
    text, found = _MARKED.subn(
        lambda marks: f"{marks[1]}```console\n{sessions}\n```\n{marks[2]}", PAGE.read_text(encoding="utf-8")
    )
    if not found:
        sys.exit(f"{PAGE}: expected the marks <!-- session --> and <!-- /session -->")
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE}: written")


if __name__ == "__main__":
    main()
