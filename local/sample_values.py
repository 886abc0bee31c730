"""Generates one attribute of the sample data: a typed DynamoDB value from a column's type and examples."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from demand_pipeline.tables import Column, ColumnType

type Value = dict[str, Any]  # as boto3's client takes it: {"S": "text"}, {"N": "1.5"}, {"B": b"bytes"} …

_IDENTIFIER_DIGITS = re.compile(r"[0-9]{4,}$")  # INV-2026/0815 is one of many, reviewer-7 one of few
_LAST_DIGITS = re.compile(r"[0-9]+$")
_IDENTIFIERS = 300  # different ones, shared by all columns with the same example, so that they join
_SPREAD = 48_271  # a prime: identifiers' digits are multiples of it
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_LARGE = 10**6  # an example this large shows its digits
_LONGEST_NUMBER = 38  # digits; DynamoDB: numbers have up to 38 significant digits


class ExampleError(ValueError):
    """An example in a declaration does not have its column's type."""


@dataclass(frozen=True)
class _Number:
    digits: str


def draw(column: Column, random: Random) -> Value:
    """Draw a value that the column accepts: mostly in its usual form, sometimes in another valid form.

    Raises ExampleError.
    """
    example = random.choice(_examples(column))
    try:
        return _DRAW[column.type](column, example, random)
    except (ValueError, ArithmeticError) as error:
        raise ExampleError(f"{column.name}: expected an example of type {column.type}, got {example!r}") from error


def numbered(column: Column, number: int) -> Value:
    """Return a key's value, a different one for each number from 1."""
    match column.type:
        case ColumnType.NUMERIC | ColumnType.BIGINT:
            return {"N": str(number)}
        case ColumnType.BYTEA:
            return {"B": number.to_bytes(16)}
        case ColumnType.DATE:
            return {"S": date.fromordinal(number).isoformat()}
        case ColumnType.TIMESTAMPTZ:
            return {"S": (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=number)).isoformat()}
    examples = list(dict.fromkeys(_examples(column)))
    for match in filter(None, map(_LAST_DIGITS.search, examples)):
        return {"S": f"{match.string[: match.start()]}{number:0{len(match[0])}}"}
    again, position = divmod(number - 1, len(examples))
    return {"S": examples[position] + (f"-{again + 1}" if again else "")}


def identifies(column: Column) -> bool:
    """Whether a column's values look like identifiers."""
    return column.type is ColumnType.TEXT and any(map(_IDENTIFIER_DIGITS.search, column.examples))


def _examples(column: Column) -> tuple[str, ...]:
    return column.examples or (_EXAMPLE.get(column.type, column.name),)


def typed(value: Any) -> Value:
    """Convert JSON (with numbers as `_Number`) to DynamoDB's typed JSON."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case _Number():
            return {"N": value.digits}
        case list():
            return {"L": [typed(element) for element in value]}
        case _:
            return {"M": {name: typed(member) for name, member in value.items()}}


def _often(random: Random, usual: Value, other: Value) -> Value:
    return usual if random.random() < 0.95 else other  # noqa: PLR2004 - a share


def _text(_column: Column, example: str, random: Random) -> Value:
    if (match := _IDENTIFIER_DIGITS.search(example)) is not None:
        width = len(match[0])
        digits = random.randrange(_IDENTIFIERS) * _SPREAD % 10**width
        example = f"{example[: match.start()]}{digits:0{width}}"
    return {"S": example}


def _numeric(_column: Column, example: str, random: Random) -> Value:
    if random.random() < 0.02:  # noqa: PLR2004 - a share
        digits = str(random.randrange(10 ** (_LONGEST_NUMBER - 1), 10**_LONGEST_NUMBER))
        point = random.randrange(1, _LONGEST_NUMBER)
        return {"N": f"{digits[:point]}.{digits[point:]}"}
    if not _PLAIN_NUMBER.fullmatch(example):
        return {"S": f"{Decimal(example)}"}
    whole, _, fraction = example.partition(".")
    cents = int(whole + fraction)
    digits = str(max(1, cents * random.randint(30, 100) // 100)).zfill(len(fraction) + 1)
    number = digits if not fraction else f"{digits[: -len(fraction)]}.{digits[-len(fraction) :]}"
    return _often(random, {"N": number}, {"S": number})


def _bigint(_column: Column, example: str, random: Random) -> Value:
    largest = int(Decimal(example))
    number = largest if largest > _LARGE else random.randint(min(1, largest), largest)
    return _often(random, {"N": str(number)}, {"S": f"{number}.0"})


def _boolean(_column: Column, example: str, random: Random) -> Value:
    value = example.lower() in ("true", "1")
    return _often(random, {"BOOL": value}, random.choice([{"S": str(value)}, {"N": str(int(value))}]))


def _date(_column: Column, example: str, random: Random) -> Value:
    day = datetime.fromisoformat(example).date() - timedelta(days=random.randrange(365))
    return _often(random, {"S": day.isoformat()}, {"S": f"{day.isoformat()}T08:15:00+02:00"})


def _timestamp(_column: Column, example: str, random: Random) -> Value:
    if _PLAIN_NUMBER.fullmatch(example):
        whole, point, fraction = example.partition(".")
        return {"N": f"{int(whole) - random.randrange(10 ** max(0, len(whole) - 4))}{point}{fraction}"}
    moment = datetime.fromisoformat(example) - timedelta(seconds=random.randrange(10**7))
    local = moment.isoformat()
    return _often(random, {"S": local}, {"S": moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")})


def _array(member: str, element: re.Pattern[str]) -> Callable[[Column, str, Random], Value]:
    """Return a function that draws an array: a list, sometimes with a NULL, or a set."""

    def array(column: Column, _example: str, random: Random) -> Value:
        known = list(dict.fromkeys(match[0] for example in _examples(column) for match in element.finditer(example)))
        chosen = random.sample(known, random.randint(1, len(known)))
        elements: list[Value] = [{member: each} for each in chosen]
        if random.random() < 0.05:  # noqa: PLR2004 - a share
            elements.append({"NULL": True})
        return random.choice([{"L": elements}, {f"{member}S": sorted(chosen)}])

    return array


def _json(_column: Column, example: str, _random: Random) -> Value:
    return typed(json.loads(example, parse_float=_Number, parse_int=_Number))


def _bytes(_column: Column, example: str, random: Random) -> Value:
    content = random.randbytes(len(base64.b64decode(example)))
    return _often(random, {"B": content}, {"S": base64.b64encode(content).decode()})


# Default examples; the example of a text column is its name.
_EXAMPLE: dict[ColumnType, str] = {
    ColumnType.NUMERIC: "12.50",
    ColumnType.BIGINT: "10",
    ColumnType.BOOLEAN: "true",
    ColumnType.DATE: "2026-03-31",
    ColumnType.TIMESTAMPTZ: "2026-03-31T06:30:00Z",
    ColumnType.NUMERIC_ARRAY: "0.5",
    ColumnType.JSONB: '{"a": [1.50, null]}',
    ColumnType.BYTEA: "n4bQgYhMfWU=",
}

_DRAW: dict[ColumnType, Callable[[Column, str, Random], Value]] = {
    ColumnType.TEXT: _text,
    ColumnType.NUMERIC: _numeric,
    ColumnType.BIGINT: _bigint,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.DATE: _date,
    ColumnType.TIMESTAMPTZ: _timestamp,
    ColumnType.TEXT_ARRAY: _array("S", re.compile(".+", re.DOTALL)),
    ColumnType.NUMERIC_ARRAY: _array("N", re.compile(r"-?[0-9]+([.][0-9]+)?")),
    ColumnType.JSONB: _json,
    ColumnType.BYTEA: _bytes,
}

# A value that a column of each type must reject; jsonb accepts any value.
SPOILT: dict[ColumnType, Value] = {
    ColumnType.DATE: {"S": "31/12/2026"},
    ColumnType.NUMERIC: {"S": "12,50"},
    ColumnType.TIMESTAMPTZ: {"S": "yesterday"},
    ColumnType.BOOLEAN: {"S": "maybe"},
    ColumnType.BIGINT: {"N": "1.5"},
    ColumnType.TEXT: {"M": {"text": {"S": "in a map"}}},
    ColumnType.TEXT_ARRAY: {"S": "urgent, recurring"},
    ColumnType.NUMERIC_ARRAY: {"L": [{"S": "left"}]},
    ColumnType.BYTEA: {"S": "not base64!"},
}
