"""Made-up values in the shape of real ones, since a declaration is committed and items may contain personal data."""

import base64
from collections.abc import Callable, Iterable
from itertools import chain, cycle, repeat
from string import ascii_lowercase, ascii_uppercase

from demand_pipeline.dynamodb.typed_json import AttributeValue
from demand_pipeline.tables import ColumnType

_DIGITS = "1234567890"
_MOMENT, _EPOCH = "20260331063000", "1774938600"  # 2026-03-31T06:30:00, and the same in seconds
_TIMES = (ColumnType.DATE, ColumnType.TIMESTAMPTZ)
_WITHOUT_WORDS = (*_TIMES, ColumnType.NUMERIC, ColumnType.BIGINT, ColumnType.NUMERIC_ARRAY)


def made_up(column_type: ColumnType, value: AttributeValue) -> AttributeValue:
    """Replace letters and digits of a value that a column accepts; a time becomes a different time.

    The column may reject the result, for example if it is out of range.
    """

    def shape(kind: str, text: str) -> str:
        if kind == "B" or column_type is ColumnType.BYTEA:
            return base64.b64encode(bytes(range(len(base64.b64decode(text)) % 256))).decode()
        if column_type in _TIMES:
            return _shape(text, chain(_EPOCH if kind == "N" else _MOMENT, repeat("0")), letters=False)
        return _shape(text, cycle(_DIGITS), letters=kind != "N" and column_type not in _WITHOUT_WORDS)

    return value if column_type is ColumnType.BOOLEAN else _made_of(value, shape)


def _made_of(value: AttributeValue, shape: Callable[[str, str], str]) -> AttributeValue:
    """Replace a value's texts and the names in its maps."""
    [(kind, content)] = value.items()
    match kind:
        case "BOOL" | "NULL":
            return value
        case "M":
            return {kind: {shape("S", name): _made_of(member, shape) for name, member in content.items()}}
        case "L":
            return {kind: [_made_of(element, shape) for element in content]}
        case "SS" | "NS" | "BS":
            return {kind: list(dict.fromkeys(shape(kind[0], element) for element in content))}
    return {kind: shape(kind, content)}


def _shape(text: str, digits: Iterable[str], *, letters: bool) -> str:
    """Keep ASCII punctuation; replace other characters with digits, capitals or small letters."""
    capital, small, digit = cycle(ascii_uppercase), cycle(ascii_lowercase), iter(digits)

    def made(char: str) -> str:
        if char.isdecimal():
            return next(digit)
        if char.isascii() and not (letters and char.isalpha()):
            return char
        return next(capital if char.isupper() else small)

    return "".join(map(made, text))
