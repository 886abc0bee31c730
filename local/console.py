"""Output of the commands: a spinner and live tables on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

import rich.console
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

_DETAIL_WIDTH = 60  # characters of the line next to a spinner
_LOG_WIDTH = 120  # without a terminal


class Console:
    """Steps with their times, and results as tables."""

    def __init__(self) -> None:
        self.rich = rich.console.Console(highlight=False)
        if not self.rich.is_terminal:
            self.rich.width = _LOG_WIDTH

    def say(self, text: str) -> None:
        """Print a line as it is."""
        self.rich.print(escape(text), soft_wrap=True)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show a step while it runs, then its duration.

        Yields a function that shows a detail next to the spinner; without a terminal details are not shown.
        """
        started = time.monotonic()
        with self.rich.status(title) as status:
            yield lambda detail: status.update(f"{title} [dim]{escape(detail[:_DETAIL_WIDTH])}[/dim]")
        self.rich.print(f"[green]✓[/green] {title} [dim]{time.monotonic() - started:.1f} s[/dim]")

    def table(self, title: str, columns: list[str], rows: list[list[object]], left: int = 1) -> None:
        """Print rows; the first `left` columns are text, the others numbers."""
        table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        for position, column in enumerate(columns):
            table.add_column(column, justify="left" if position < left else "right", overflow="fold")
        for row in rows:
            table.add_row(*(escape(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
        self.rich.print(table)
