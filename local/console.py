"""Output of the commands: a spinner on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

import rich.console
from rich.markup import escape

_DETAIL_WIDTH = 60  # characters of the line next to a spinner
_LOG_WIDTH = 120  # without a terminal


class Console:
    """Steps with their times."""

    def __init__(self) -> None:
        self.rich = rich.console.Console(highlight=False)
        if not self.rich.is_terminal:
            self.rich.width = _LOG_WIDTH

    def say(self, text: str) -> None:
        """Print a line unchanged."""
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
