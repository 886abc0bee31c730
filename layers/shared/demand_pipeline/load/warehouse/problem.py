"""A reason why a load cannot write a table. An error or a check shows it."""

from typing import NamedTuple


class Problem(NamedTuple):
    """A problem, and the SQL `statement` that solves it, or `advice` if no statement can."""

    text: str
    statement: str | None
    advice: str | None = None

    @property
    def action(self) -> str:
        """The instruction that solves the problem."""
        return self.statement or self.advice or ""

    def __str__(self) -> str:
        """Return problem and action as a part of an error's message."""
        return f"{self.text}; {'run ' if self.statement else ''}{self.action}"
