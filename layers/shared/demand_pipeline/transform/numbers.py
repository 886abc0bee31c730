"""Decimal numbers as text: DynamoDB has up to 38 digits, so nothing here goes through float."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

_PLAIN = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII)
# What nearly every number looks like; the bounds are DynamoDB's, so that any column takes it.
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,37}+)(?:\.[0-9]{1,160}+)?+")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,4})?", re.ASCII)

# PostgreSQL: numeric holds up to 131,072 digits before the decimal point and 16,383 after it.
_MAX_INTEGER_DIGITS = 131_072
_MAX_SCALE = 16_383
# No exponent beyond this fits any column; int() of an endless one would cost seconds.
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
        """Take an optional sign, digits with an optional fraction (`5.`, `.5`), an optional exponent.

        Raises ValueError for anything else, spaces included.
        """
        match = _PLAIN.fullmatch(text)
        if match is None:
            raise ValueError("no plain decimal number")
        sign, whole, fraction, exponent = match.group(1), match.group(2), match.group(3) or "", match.group(4) or "0"
        if not whole and not fraction:
            raise ValueError("a number without digits")
        if len(exponent.lstrip("+-0")) > _MAX_EXPONENT_DIGITS:
            raise ValueError("an exponent no column can hold")
        return cls(sign == "-", (whole + fraction).lstrip("0"), int(exponent) - len(fraction))

    def scaled(self, power: int) -> int:
        """The whole part of the number times ten to the `power`; what is cut is cut towards zero.

        Raises ValueError above 10^30, which no column can hold.
        """
        if not self.digits:
            return 0
        shift = self.exponent + power
        if len(self.digits) + shift > 30:  # noqa: PLR2004 - as documented
            raise ValueError("a number no column can hold")
        magnitude = int(self.digits) * 10**shift if shift >= 0 else int(self.digits[:shift] or 0)
        return -magnitude if self.negative else magnitude

    def is_whole(self) -> bool:
        """Whether nothing but zeros stands behind the decimal point."""
        return self.exponent >= 0 or not self.digits[self.exponent :].strip("0")


def as_numeric(text: str) -> str:
    """Check that PostgreSQL's numeric takes a number, digits untouched; raises ValueError if not."""
    number = PlainDecimal.parse(text)
    if number.digits and len(number.digits) + number.exponent > _MAX_INTEGER_DIGITS:
        raise ValueError("more digits than numeric holds")
    if -number.exponent > _MAX_SCALE:
        raise ValueError("more decimal places than numeric holds")
    return text


def as_bigint(text: str) -> str:
    """The digits of a whole number in bigint's range (`10.0` and `1E+3` are); raises ValueError otherwise."""
    number = PlainDecimal.parse(text)
    if not number.is_whole() or (value := number.scaled(0)) not in _BIGINT:
        raise ValueError("no whole number in bigint's range")
    return str(value)


def is_json_number(text: str) -> bool:
    """Whether a number may stand in JSON as it is: `+5`, `.5`, `5.` and `007` may not."""
    return _JSON_NUMBER.fullmatch(text) is not None


is_plain_number = _PLAIN_NUMBER.fullmatch
"""A match if a number has no exponent and stands in JSON and in any numeric column as it is; None otherwise."""


def as_json_number(text: str) -> str:
    """A number as JSON writes it, every digit kept; raises ValueError if it is none."""
    if is_json_number(text):
        return text
    as_numeric(text)
    mantissa, mark, exponent = text.lower().partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("+-").partition(".")
    return sign + (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "") + mark + exponent


def sort_numbers(texts: list[str]) -> list[str]:
    """Numbers in the order of their values; the sort is stable, and exact at any length.

    Raises ValueError if one is no number.
    """
    for text in texts:
        as_numeric(text)
    return sorted(texts, key=Decimal)
