"""The reason for a reject: its parts, and the one text that the warehouse and people get of them."""

from collections.abc import Mapping
from typing import NamedTuple, Self

GOT = ", got "  # between what was expected and what was found
_EXPECTED = ": expected "
_MAX_TEXT = 200


class Reason(NamedTuple):
    """The column, the expected type, and the value that was found, cut so that the text has at most 200 characters."""

    column: str
    expected: str
    found: str

    @classmethod
    def of(cls, column: str, expected: str, found: str) -> Self:
        """Cut what was found."""
        whole = cls(column, expected, found)
        return cls(column, expected, found[: max(0, _MAX_TEXT - len(whole.kind + GOT))])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a text apart that `str` has composed; the rest of a text that it has not is in `column`."""
        kind, _, found = text.partition(GOT)
        column, _, expected = kind.partition(_EXPECTED)
        return cls(column, expected, found)

    @classmethod
    def read(cls, reject: Mapping[str, str]) -> Self:
        """The reason of a line of a rejects object; lines of earlier versions have the text only."""
        if "column" not in reject:
            return cls.parse(reject["reason"])
        return cls(*[reject[field] for field in cls._fields])

    @property
    def kind(self) -> str:
        """The reason without the rejected value, which is the same for many rejects."""
        return f"{self.column}{_EXPECTED}{self.expected}" if self.expected else self.column

    def __str__(self) -> str:
        """The text."""
        return (self.kind + GOT + self.found)[:_MAX_TEXT]
