"""Recognises formats of values: how times and numbers are written."""

import re
from collections.abc import Callable

from demand_pipeline.dynamodb.typed_json import AttributeValue

DATE, MOMENT, EPOCH = "date", "timestamp", "epoch"
WHOLE, DECIMAL = "whole number", "decimal number"
FLAG, BIT = "true or false", "0 or 1"

# Epochs between 2001 and 2096; smaller and larger numbers are rarely times.
_SECONDS, _MILLISECONDS = (10**9, 4 * 10**9), (10**12, 4 * 10**12)

_STRINGS: tuple[tuple[Callable[[str], object], str, str | None], ...] = (
    (re.compile(r"\d{4}-\d\d-\d\d").fullmatch, "date YYYY-MM-DD", DATE),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*(Z|[+-]\d\d:?\d\d)").fullmatch, "ISO 8601 with offset", MOMENT),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.,]*").fullmatch, "ISO 8601 without offset", MOMENT),
    (re.compile(r"\d{1,2}[.]\d{1,2}[.]\d{2,4}( .*)?").fullmatch, "day.month.year", None),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{2,4}( .*)?").fullmatch, "date with slashes", None),
    (re.compile(r"[+-]?\d+").fullmatch, WHOLE, WHOLE),
    (re.compile(r"[+-]?\d*[.]\d+|[+-]?\d+[.]").fullmatch, DECIMAL, DECIMAL),
    (re.compile(r"[+-]?\d[\d.]*,\d+").fullmatch, "number with a comma", None),
    (re.compile(r"true|false", re.IGNORECASE).fullmatch, FLAG, FLAG),
    (re.compile(r"\s*[\[{].*[\]}]\s*", re.DOTALL).fullmatch, "JSON text", None),
)


def format_of(value: AttributeValue) -> tuple[str | None, str | None]:
    """Return a value's format as text, and the kind of value it indicates; None for no particular format."""
    [(kind, content)] = value.items()
    if kind == "N":
        return _number(content)
    if kind != "S":
        return None, None
    for matches, words, evidence in _STRINGS:
        if matches(content):
            return f"{words} in a string" if evidence in (WHOLE, DECIMAL, FLAG) else words, evidence
    return None, None


def _number(text: str) -> tuple[str, str]:
    whole, _, fraction = text.partition(".")
    if not re.fullmatch(r"-?\d+", whole) or not re.fullmatch(r"\d*", fraction):
        return DECIMAL, DECIMAL  # with an exponent
    number = int(whole)
    if _SECONDS[0] <= number < _SECONDS[1]:
        return "epoch seconds", EPOCH
    if _MILLISECONDS[0] <= number < _MILLISECONDS[1]:
        return "epoch milliseconds", EPOCH
    if fraction:
        return DECIMAL, DECIMAL
    return WHOLE, BIT if number in (0, 1) else WHOLE
