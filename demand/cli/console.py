"""The console for all text: a terminal displays control characters in a text instead of obeying them."""

from collections.abc import Iterable
from itertools import accumulate
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Span, Text

_LINES = "\n\t"  # the layout of a text of several lines
_LOG_WIDTH = 10_000  # columns where there is no terminal: a row or a statement stays in one line, for grep


def printable(text: str, keep: str = _LINES) -> str:
    r"""Escape each control, format or separator character, such as `\x1b`, except those to `keep`."""
    return text if text.isprintable() else "".join(_shown(text, keep))


def one_line(text: str) -> str:
    """Escape a value from elsewhere, line breaks included."""
    return printable(text, keep="")


class PrintableConsole(Console):
    """A console without markup that escapes all text: in tables, progress bars and tracebacks too.

    Only rich's own styles and cursor movements reach the terminal as escape sequences.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(file=stream, highlight=False, markup=False, emoji=False)
        if not self.is_terminal:
            self.width = _LOG_WIDTH

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render it: a text is escaped before its lines are folded, anything else afterwards."""
        if isinstance(renderable, str):
            renderable = printable(renderable)
        elif isinstance(renderable, Text):
            renderable = _printable_text(renderable)
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def _printable_text(text: Text) -> Text:
    """Escape a text and keep its styles in place."""
    shown = _shown(text.plain, _LINES)
    made = text.blank_copy("".join(shown))
    starts = list(accumulate(map(len, shown), initial=0))
    made.spans = [Span(starts[span.start], starts[min(span.end, len(shown))], span.style) for span in text.spans]
    return made


def _shown(text: str, keep: str) -> list[str]:
    return [
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode("ascii") for char in text
    ]
