"""The values that each column type accepts, and their conversion to staged values: one entry per type in `RULES`.

COPY reads staged values without further parsing: each is a JSON string, number, boolean or null;
an array is a string with PostgreSQL's array literal, a jsonb value a string with its text.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from demand_pipeline.dynamodb.typed_json import AttributeValue, TypeMismatch
from demand_pipeline.tables import ColumnType
from demand_pipeline.transform.arrays import numeric_array, numeric_list, text_array, text_set
from demand_pipeline.transform.jsonb import json_string, to_json
from demand_pipeline.transform.numbers import as_bigint, as_numeric, is_json_number, is_plain_number
from demand_pipeline.transform.times import date_text, epoch_text, timestamp_text

type Converter = Callable[[AttributeValue], str]
"""Converts a typed value to a staged value; raises ValueError if the column does not accept it."""

NULL = "null"

# Dates and small numbers repeat a lot within a table, so conversions are cached. Longer texts are not.
_REMEMBERED = 4096
_REMEMBERED_LENGTH = 64


@dataclass(frozen=True, slots=True)
class TypeRule:
    """One column type: a description of the values it `accepts`, and their conversion.

    `convert` gets any DynamoDB type and its content; it raises ValueError if the type is not accepted.
    `usual` are the expected DynamoDB types of such a column; empty means all. Any other type is counted as drift,
    whether or not it is accepted.
    `fast` are the usual cases as pairs of Python expressions, for the code that is generated per table: a condition on
    the typed value `value`, and the staged value. The expressions may use the names in `FAST_NAMES`.
    """

    accepts: str
    convert: Callable[[str, Any], str]
    fast: tuple[tuple[str, str], ...]
    usual: frozenset[str] = frozenset()
    keeps_empty: bool = False


def converter(column_type: ColumnType) -> Converter:
    """Return the type's conversion, including the rules of all types.

    NULL becomes null; an empty string also becomes null, unless the type keeps it.
    """
    rule = RULES[column_type]

    def convert(value: AttributeValue) -> str:
        [(kind, content)] = value.items()
        if kind == "NULL" or (content == "" and kind == "S" and not rule.keeps_empty):
            return NULL
        return rule.convert(kind, content)

    return convert


def _text(kind: str, content: Any) -> str:
    match kind:
        case "S" | "N":
            return json_string(content)
        case "BOOL":
            return '"true"' if content else '"false"'
    raise TypeMismatch


def _numeric(kind: str, content: Any) -> str:
    if kind not in ("N", "S"):
        raise TypeMismatch
    number = as_numeric(content)
    return number if is_json_number(number) else json_string(number)


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


def _timestamptz(kind: str, content: Any) -> str:
    match kind:
        case "S":
            return timestamp_text(content)
        case "N":
            return epoch_text(content)
    raise TypeMismatch


def _jsonb(kind: str, content: Any) -> str:
    return json_string(to_json({kind: content}))


def _bytea(kind: str, content: Any) -> str:
    if kind not in ("B", "S"):
        raise TypeMismatch
    try:
        return json_string("\\x" + base64.b64decode(content, validate=True).hex())
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _bytea_fast(text: str) -> str:
    return f'"\\\\x{binascii.a2b_base64(text, strict_mode=True).hex()}"'


RULES: dict[ColumnType, TypeRule] = {
    ColumnType.TEXT: TypeRule(
        accepts="S; N; BOOL",
        convert=_text,
        fast=(("'S' in value", "json_string(value['S'])"),),
        usual=frozenset({"S"}),
        keeps_empty=True,
    ),
    ColumnType.NUMERIC: TypeRule(
        accepts="N; S that is a plain decimal number",
        convert=_numeric,
        fast=(("'N' in value and is_plain_number(value['N'])", "value['N']"),),
        usual=frozenset({"N"}),
    ),
    ColumnType.BIGINT: TypeRule(
        accepts="N, or S that is a plain decimal number: a whole number in range",
        convert=_bigint,
        fast=(("'N' in value", "bigint(value['N'])"),),
        usual=frozenset({"N"}),
    ),
    ColumnType.BOOLEAN: TypeRule(
        accepts="BOOL; S `true`/`false`; N 0/1",
        convert=_boolean,
        fast=(("'BOOL' in value", "'true' if value['BOOL'] else 'false'"),),
        usual=frozenset({"BOOL"}),
    ),
    ColumnType.DATE: TypeRule(
        accepts="S, ISO 8601 date or timestamp",
        convert=_date,
        fast=(("'S' in value", "date(value['S'])"),),
        usual=frozenset({"S"}),
    ),
    ColumnType.TIMESTAMPTZ: TypeRule(
        accepts="S, ISO 8601; N, epoch seconds or milliseconds",
        convert=_timestamptz,
        fast=(("'S' in value", "timestamp(value['S'])"), ("'N' in value", "epoch(value['N'])")),
        usual=frozenset({"S", "N"}),
    ),
    ColumnType.TEXT_ARRAY: TypeRule(
        accepts="SS; L of S",
        convert=text_array,
        fast=(("'SS' in value", "text_set(value['SS'])"),),
        usual=frozenset({"SS", "L"}),
    ),
    ColumnType.NUMERIC_ARRAY: TypeRule(
        accepts="NS; L of N",
        convert=numeric_array,
        fast=(("'L' in value", "numeric_list(value['L'])"),),
        usual=frozenset({"NS", "L"}),
    ),
    ColumnType.JSONB: TypeRule(
        accepts="any type",
        convert=_jsonb,
        fast=(("'NULL' not in value", "json_string(to_json(value))"),),
        keeps_empty=True,
    ),
    ColumnType.BYTEA: TypeRule(
        accepts="B; S of base64",
        convert=_bytea,
        fast=(("'B' in value", "bytea(value['B'])"),),
        usual=frozenset({"B"}),
    ),
}


def _remembered(convert: Callable[[str], str]) -> Callable[[str], str]:
    """Cache the last results of a conversion; a long text raises ValueError, and takes the slow path."""

    @lru_cache(_REMEMBERED)
    def remembered(text: str) -> str:
        if len(text) > _REMEMBERED_LENGTH:
            raise ValueError("too long to keep")
        return convert(text)

    return remembered


FAST_NAMES: dict[str, Any] = {
    "json_string": json_string,
    "to_json": to_json,
    "is_plain_number": is_plain_number,
    "bigint": _remembered(as_bigint),
    "date": _remembered(date_text),
    "timestamp": timestamp_text,
    "epoch": epoch_text,
    "text_set": text_set,
    "numeric_list": numeric_list,
    "bytea": _bytea_fast,
}
