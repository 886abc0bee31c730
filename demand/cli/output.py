"""The output of commands: results go to stdout, progress and errors to stderr; or all of them as JSON."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from demand.cli.console import PrintableConsole, one_line
from demand.errors import DemandError, UsageError

SCHEMA_VERSION = 1
_GAP = 3  # between the columns of a table
_WORDS, _NARROW = 18, 8  # the least width of a column with texts: next to optional columns, and of any

# Exit codes: docs/demand.md.
SUCCESS, FAILED, UNUSABLE, REJECTS, INTERRUPTED = 0, 1, 2, 3, 130

STYLES = {"SUCCEEDED": "green", "FAILED": "red", "TIMED_OUT": "red", "ABORTED": "yellow", "RUNNING": "cyan"}


@dataclass(frozen=True)
class Column:
    """A column: numbers are aligned right, `whole` values are not folded, `optional` columns need enough width."""

    title: str
    number: bool = False
    whole: bool = False
    optional: bool = False


class Output:
    """The streams of a command. `json` is whether results are written as JSON."""

    def __init__(self, *, json_wanted: bool, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.json = json_wanted
        self._stdout = stdout or sys.stdout
        self.results = PrintableConsole(self._stdout)
        self.notes = PrintableConsole(stderr or sys.stderr)

    def show(self, value: Any, *parts: RenderableType, **more: Any) -> None:
        """Write a result: these parts for people, or a dataclass as one JSON object, after `more` fields."""
        if self.json:
            self.line({**more, **asdict(value)})
        self.add(*parts)

    def add(self, *parts: RenderableType) -> None:
        """Write parts of a result, for people only."""
        if not self.json:
            for part in parts:
                _print(self.results, part)

    def line(self, value: Any) -> None:
        """Write a dataclass as a line of JSON."""
        fields = value if isinstance(value, dict) else asdict(value)
        print(json.dumps({"schema_version": SCHEMA_VERSION, **fields}, default=_plain), file=self._stdout, flush=True)

    def note(self, text: str) -> None:
        """Report progress in one line."""
        _print(self.notes, Text(one_line(text)))

    def warn(self, text: str) -> None:
        """Print a warning."""
        _print(self.notes, Text(f"warning: {one_line(text)}", style="yellow"))

    def fail(self, error: DemandError) -> None:
        """Report an error: as the JSON result, or as one line and a hint."""
        if self.json:
            self.line({"error": {"kind": error.kind, "message": error.message, "hint": error.hint or None}})
            return
        _print(self.notes, Text.assemble(("error: ", "bold red"), one_line(error.message)))
        if error.hint:
            _print(self.notes, Text(f"try: {one_line(error.hint)}", style="dim"))

    def confirm(self, question: str, *, yes: bool) -> bool:
        """Ask on stderr unless `yes` answers; raises UsageError without a terminal."""
        if yes:
            return True
        if self.json or not sys.stdin.isatty():
            raise UsageError(f"{question} Cannot ask for confirmation: no terminal", "add --yes")
        self.notes.print(Text(f"{one_line(question)} [y/N] "), end="")
        return input().strip().lower() in {"y", "yes"}

    def flush(self) -> None:
        """Flush the results; raises BrokenPipeError if their reader has closed the pipe."""
        self._stdout.flush()

    @property
    def is_live(self) -> bool:
        """Whether progress bars can be drawn: stderr is a terminal, and JSON is not wanted."""
        return self.notes.is_terminal and not self.notes.is_dumb_terminal and not self.json


@dataclass(frozen=True)
class Rows:
    """A table that leaves out columns until it fits: optional ones first, then others, each time the last one.

    It never cuts a number or a name, which would look like a different one.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as wide as there is room."""
        shown, words = self._fitting(options.max_width)
        if self.title:  # as rich's own title it would be folded to the table's width
            yield Text(self.title, style="bold")
        made = Table(box=SIMPLE_HEAD, pad_edge=False)
        for index in shown:
            column = self.columns[index]
            justify: JustifyMethod = "right" if column.number else "left"
            made.add_column(column.title, justify=justify, overflow="fold", min_width=self._least(index, words))
        for row in self.rows:
            made.add_row(*(row[index] for index in shown))
        yield made
        missing = [each.title for index, each in enumerate(self.columns) if index not in shown and not each.optional]
        if missing:
            yield Text(f"no room for: {', '.join(missing)}", style="dim")

    def _fitting(self, width: int) -> tuple[list[int], int]:
        """Choose the columns, and the least width of those with texts; the first column always stays."""
        shown = list(range(len(self.columns)))
        optional = [index for index in shown if self.columns[index].optional]
        others = [index for index in shown[1:] if index not in optional]
        for words, leaving in ((_WORDS, optional), (_NARROW, others)):
            for index in reversed(leaving):
                if sum(self._least(number, words) + _GAP for number in shown) <= width:
                    return shown, words
                shown.remove(index)
        return shown, _NARROW

    def _least(self, index: int, words: int) -> int:
        """The width that a column needs: all of a number or a name, some words of a text."""
        column = self.columns[index]
        longest = max([len(column.title), *(row[index].cell_len for row in self.rows)])
        return longest if column.number or column.whole else min(longest, words)


def table(title: str, columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> Rows:
    """Make a table from rows: whole numbers get separators, None becomes a dash."""
    cells = [[value if isinstance(value, Text) else Text(cell(value)) for value in row] for row in rows]
    return Rows(one_line(title), columns, cells)


def facts(rows: Iterable[tuple[str, object]]) -> Table:
    """Make a list of names and values, one per line."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, value if isinstance(value, Text) else Text(cell(value)))
    return made


def cell(value: object) -> str:
    """Format a value for people, in one line."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return moment(value) if isinstance(value, datetime) else one_line(str(value))


def moment(when: datetime) -> str:
    """Format a time in the user's zone, to the second."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float | None) -> str:
    """Format a duration: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return "-"
    if seconds < 10:  # noqa: PLR2004 - below it, tenths matter
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


def status(word: str) -> Text:
    """Return a status as a word in its colour."""
    return Text(word, style=STYLES.get(word, ""))


def nobody_reads() -> int:
    """Exit quietly after the reader has closed the pipe, as `| head` does; Python would print an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return SUCCESS


def tolerate_encodings() -> None:
    """Print a question mark, instead of failing, for a character that the terminal's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _print(console: Console, part: RenderableType) -> None:
    """Print it. Only on a terminal, texts are folded between words, and tables padded with blanks."""
    text = Text(part) if isinstance(part, str) else part
    if console.is_terminal:
        console.print(text)
        return
    with console.capture() as captured:
        console.print(text, soft_wrap=isinstance(text, Text))
    console.file.write("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))


def _plain(value: Any) -> Any:
    """Convert a value of a type that JSON lacks."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
