"""The conversion table of the data contract: one typed value in, one staged JSON value out.

A staged value is what COPY can take without parsing it: a JSON string, number, boolean or null;
an array is a string holding PostgreSQL's array literal, a jsonb a string holding its text.
"""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from demand_pipeline.dynamodb.typed_json import AttributeValue
from demand_pipeline.tables import ColumnType
from demand_pipeline.transform.jsonb import quote, to_json
from demand_pipeline.transform.numbers import (
    PlainDecimal,
    as_bigint,
    as_numeric,
    is_json_number,
    sort_numbers,
)

type Converter = Callable[[AttributeValue], str]
"""Makes a staged value of a typed value; raises ValueError if the column cannot take it."""

type _Rule = Callable[[str, Any], str]

NULL = "null"

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC, which the text says then
_USUAL_DIGITS = 15  # of seconds and milliseconds alike
_MILLISECONDS_FROM = 10**11
_MICROSECONDS = 6
_in_utc = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z").fullmatch


class TypeMismatch(ValueError):  # noqa: N818 - says what the value is, and never leaves the library
    """The column does not take this type of value."""


def converter(column_type: ColumnType) -> Converter:
    """The contract's row for a column type, with what holds for every type.

    NULL is null, and so is an empty string where the column is neither text nor jsonb.
    """
    rule = _RULES[column_type]
    keeps_empty = column_type in (ColumnType.TEXT, ColumnType.JSONB)

    def convert(value: AttributeValue) -> str:
        [(kind, content)] = value.items()
        if kind == "NULL" or (content == "" and kind == "S" and not keeps_empty):
            return NULL
        return rule(kind, content)

    return convert


def _text(kind: str, content: Any) -> str:
    match kind:
        case "S" | "N":
            return quote(content)
        case "BOOL":
            return '"true"' if content else '"false"'
    raise TypeMismatch


def _numeric(kind: str, content: Any) -> str:
    if kind not in ("N", "S"):
        raise TypeMismatch
    number = as_numeric(content)
    return number if is_json_number(number) else quote(number)


def _bigint(kind: str, content: Any) -> str:
    if kind not in ("N", "S"):
        raise TypeMismatch
    return as_bigint(content)


def _boolean(kind: str, content: Any) -> str:
    match kind:
        case "BOOL":
            return "true" if content else "false"
        case "S" if (text := str(content).lower()) in ("true", "false"):
            return text
        case "N" if (number := as_bigint(content)) in ("0", "1"):
            return "true" if number == "1" else "false"
    raise TypeMismatch


def _date(kind: str, content: Any) -> str:
    if kind != "S":
        raise TypeMismatch
    return date_text(content)


def date_text(text: str) -> str:
    """A date, or the date of a timestamp in its own offset, as it is staged; raises ValueError if it is neither."""
    return f'"{datetime.fromisoformat(text).date().isoformat()}"'


def _timestamptz(kind: str, content: Any) -> str:
    match kind:
        case "S":
            return timestamp_text(content)
        case "N":
            return epoch_text(content)
    raise TypeMismatch


def timestamp_text(text: str) -> str:
    """A timestamp as it is staged, in UTC, which it is taken for without an offset; raises ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    if _in_utc(text):  # as PostgreSQL reads it too
        return f'"{text}"'
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        return f'"{moment.astimezone(UTC).isoformat()}"'
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999 in UTC") from error


def epoch_text(text: str) -> str:
    """Seconds since 1970, or milliseconds from 10^11 on, as a staged timestamp; raises ValueError for no such number.

    What is smaller than a microsecond is cut.
    """
    if text.isascii() and text.isdecimal() and len(text) <= _USUAL_DIGITS:
        number = int(text)
        microseconds = number * (1000 if number >= _MILLISECONDS_FROM else 1_000_000)
    else:
        exact = PlainDecimal.parse(text)
        in_milliseconds = abs(exact.scaled(0)) >= _MILLISECONDS_FROM
        microseconds = exact.scaled(_MICROSECONDS - 3 if in_milliseconds else _MICROSECONDS)
    try:
        return f'"{(_EPOCH + timedelta(microseconds=microseconds)).isoformat()}Z"'
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999") from error


def text_array(kind: str, content: Any) -> str:
    """An array literal of SS, or of L of S, as it is staged; raises ValueError for anything else."""
    match kind:
        case "SS":
            elements = [_array_text(element) for element in sorted(content)]
        case "L":
            elements = [_array_element(element, "S", _array_text) for element in content]
        case _:
            raise TypeMismatch
    return quote("{" + ",".join(elements) + "}")


def numeric_array(kind: str, content: Any) -> str:
    """An array literal of NS, or of L of N, as it is staged; raises ValueError for anything else."""
    match kind:
        case "NS":
            elements = sort_numbers(content)
        case "L":
            elements = [_array_element(element, "N", as_numeric) for element in content]
        case _:
            raise TypeMismatch
    return quote("{" + ",".join(elements) + "}")


def _array_element(value: AttributeValue, wanted: str, as_element: Callable[[str], str]) -> str:
    [(kind, content)] = value.items()
    if kind == "NULL":
        return "NULL"
    if kind != wanted:
        raise TypeMismatch
    return as_element(content)


def _array_text(text: str) -> str:
    """One element of PostgreSQL's array literal, always quoted, so that NULL and `{` are plain text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _jsonb(kind: str, content: Any) -> str:
    return quote(to_json({kind: content}))


def _bytea(kind: str, content: Any) -> str:
    if kind not in ("B", "S"):
        raise TypeMismatch
    try:
        return quote("\\x" + base64.b64decode(content, validate=True).hex())
    except binascii.Error as error:
        raise ValueError("no base64") from error


_RULES: dict[ColumnType, _Rule] = {
    ColumnType.TEXT: _text,
    ColumnType.NUMERIC: _numeric,
    ColumnType.BIGINT: _bigint,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.DATE: _date,
    ColumnType.TIMESTAMPTZ: _timestamptz,
    ColumnType.TEXT_ARRAY: text_array,
    ColumnType.NUMERIC_ARRAY: numeric_array,
    ColumnType.JSONB: _jsonb,
    ColumnType.BYTEA: _bytea,
}
