"""The console that all text goes through: a terminal shows what the text contains, and never obeys it."""

from collections.abc import Iterable
from itertools import accumulate
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Span, Text

_LINES = "\n\t"  # what lays out a text of several lines
_LOG_WIDTH = 500  # columns where there is no terminal: a row stays in one line, for grep


def printable(text: str, keep: str = _LINES) -> str:
    r"""Text with an escape such as `\x1b` for each control, format or separator character, but for those to `keep`."""
    return text if text.isprintable() else "".join(_shown(text, keep))


def one_line(text: str) -> str:
    """A value from elsewhere, which must not begin a line of its own either."""
    return printable(text, keep="")


class PrintableConsole(Console):
    """A console without markup, whose text is printable, whatever is drawn: texts, tables, bars, tracebacks.

    Only rich's own styles and movements of the cursor reach the terminal as sequences.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(file=stream, highlight=False, markup=False, emoji=False)
        if not self.is_terminal:
            self.width = _LOG_WIDTH

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Draw it: a text is escaped before its lines are folded, everything else as it leaves."""
        if isinstance(renderable, str):
            renderable = printable(renderable)
        elif isinstance(renderable, Text):
            renderable = _printable_text(renderable)
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def _printable_text(text: Text) -> Text:
    """A text with escapes, whose styles are where they were."""
    shown = _shown(text.plain, _LINES)
    made = text.blank_copy("".join(shown))
    starts = list(accumulate(map(len, shown), initial=0))
    made.spans = [Span(starts[span.start], starts[min(span.end, len(shown))], span.style) for span in text.spans]
    return made


def _shown(text: str, keep: str) -> list[str]:
    return [
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode("ascii") for char in text
    ]
