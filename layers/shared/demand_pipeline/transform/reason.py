"""The reason for a reject: its parts, and the text that the warehouse stores and people read."""

from collections.abc import Mapping
from typing import NamedTuple, Self

GOT = ", got "  # between what was expected and what was found
_EXPECTED = ": expected "
_MAX_TEXT = 200


class Reason(NamedTuple):
    """Column, expected type and found value, which is truncated so that the text has at most 200 characters."""

    column: str
    expected: str
    found: str

    @classmethod
    def of(cls, column: str, expected: str, found: str) -> Self:
        """Return a reason whose found value is truncated."""
        whole = cls(column, expected, found)
        return cls(column, expected, found[: max(0, _MAX_TEXT - len(whole.kind + GOT))])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split a text that `str` composed; any other text is returned as `column`."""
        kind, _, found = text.partition(GOT)
        column, _, expected = kind.partition(_EXPECTED)
        return cls(column, expected, found)

    @classmethod
    def read(cls, reject: Mapping[str, str]) -> Self:
        """Read the reason from a line of a rejects object; lines of earlier versions contain only the text."""
        if "column" not in reject:
            return cls.parse(reject["reason"])
        return cls(*[reject[field] for field in cls._fields])

    @property
    def kind(self) -> str:
        """The reason without the rejected value; many rejects share it."""
        return f"{self.column}{_EXPECTED}{self.expected}" if self.expected else self.column

    def __str__(self) -> str:
        """Return the reason as text."""
        return (self.kind + GOT + self.found)[:_MAX_TEXT]
