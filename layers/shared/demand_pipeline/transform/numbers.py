"""Decimal numbers as text: DynamoDB has up to 38 digits, so float is never used."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

_PLAIN = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII)
# The form of nearly all numbers; the limits are DynamoDB's, so that every column accepts them.
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,37}+)(?:\.[0-9]{1,160}+)?+")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,4})?", re.ASCII)

# PostgreSQL: numeric has up to 131,072 digits before the decimal point and 16,383 after it.
_MAX_INTEGER_DIGITS = 131_072
_MAX_SCALE = 16_383
# A number with a longer exponent fits no column; int() of a very long one would take seconds.
_MAX_EXPONENT_DIGITS = 9
_BIGINT = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class PlainDecimal:
    """A plain decimal number: `digits` (no leading zeros; empty is zero) times ten to the `exponent`."""

    negative: bool
    digits: str
    exponent: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an optional sign, digits with an optional fraction (`5.`, `.5`), and an optional exponent.

        Raises ValueError for anything else, spaces included.
        """
        match = _PLAIN.fullmatch(text)
        if match is None:
            raise ValueError("not a plain decimal number")
        sign, whole, fraction, exponent = match.group(1), match.group(2), match.group(3) or "", match.group(4) or "0"
        if not whole and not fraction:
            raise ValueError("a number without digits")
        if len(exponent.lstrip("+-0")) > _MAX_EXPONENT_DIGITS:
            raise ValueError("the exponent is too large for any column")
        return cls(sign == "-", (whole + fraction).lstrip("0"), int(exponent) - len(fraction))

    def scaled(self, power: int) -> int:
        """Return the whole part of the number times ten to the `power`, truncated towards zero.

        Raises ValueError above 10^30, which is too large for any column.
        """
        if not self.digits:
            return 0
        shift = self.exponent + power
        if len(self.digits) + shift > 30:  # noqa: PLR2004 - as documented
            raise ValueError("the number is too large for any column")
        magnitude = int(self.digits) * 10**shift if shift >= 0 else int(self.digits[:shift] or 0)
        return -magnitude if self.negative else magnitude

    def is_whole(self) -> bool:
        """Whether there are only zeros after the decimal point."""
        return self.exponent >= 0 or not self.digits[self.exponent :].strip("0")


def as_numeric(text: str) -> str:
    """Check that numeric can store a number, and return it unchanged; raises ValueError if not."""
    number = PlainDecimal.parse(text)
    if number.digits and len(number.digits) + number.exponent > _MAX_INTEGER_DIGITS:
        raise ValueError("more digits than numeric can store")
    if -number.exponent > _MAX_SCALE:
        raise ValueError("more decimal places than numeric can store")
    return text


def as_bigint(text: str) -> str:
    """Return the digits of a whole number in bigint's range, such as `10.0` or `1E+3`; raises ValueError otherwise."""
    number = PlainDecimal.parse(text)
    if not number.is_whole() or (value := number.scaled(0)) not in _BIGINT:
        raise ValueError("not a whole number in bigint's range")
    return str(value)


def is_json_number(text: str) -> bool:
    """Whether a number is valid in JSON unchanged: `+5`, `.5`, `5.` and `007` are not."""
    return _JSON_NUMBER.fullmatch(text) is not None


is_plain_number = _PLAIN_NUMBER.fullmatch
"""Matches a number without an exponent that is valid unchanged in JSON and in any numeric column."""


def as_json_number(text: str) -> str:
    """Convert a number to JSON without losing a digit; raises ValueError if it is not a number."""
    if is_json_number(text):
        return text
    as_numeric(text)
    mantissa, mark, exponent = text.lower().partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("+-").partition(".")
    return sign + (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "") + mark + exponent


def sort_numbers(texts: list[str]) -> list[str]:
    """Sort numbers by value; the sort is stable, and exact at any length.

    Raises ValueError if a text is not a number.
    """
    for text in texts:
        as_numeric(text)
    return sorted(texts, key=Decimal)
