"""The data contract once more, slow and plain: what a column must hold for an item.

Written from the contract's text alone, in Python values instead of staged text, and shares no code
with the library but the declarations.
"""

import base64
import copy
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import takewhile
from typing import Any

from demand_pipeline.tables import Column, Table

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
REJECTED = "rejected"


class RejectedBy(Exception):  # noqa: N818
    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def expected_row(item: dict[str, Any], table: Table) -> tuple[dict[str, Any], bool]:
    """The row's values by column name, and whether it counts as sanitized."""
    clean = storable(item)
    row = {column.name: column_value(clean, column) for column in table.columns}
    row["extra"] = extra(clean, table)
    for column in table.key:  # no two source keys may become one row's
        if clean[column.attribute] != item[column.attribute]:
            raise RejectedBy(column.name)
    return row, clean != item


def storable(value: Any) -> Any:
    if isinstance(value, str):
        return "".join("\ufffd" if UNSTORABLE.match(character) else character for character in value)
    if isinstance(value, dict):
        return {storable(name): storable(content) for name, content in value.items()}
    return [storable(element) for element in value] if isinstance(value, list) else value


def column_value(item: dict[str, Any], column: Column) -> Any:
    at: Any = {"M": item}
    for step in steps(column):
        inside = at.get("M" if isinstance(step, str) else "L", {})
        at = (inside if isinstance(inside, dict) else dict(enumerate(inside))).get(step, {"NULL": True})
    try:
        value = convert(column.type, at)
    except (ValueError, ArithmeticError):
        raise RejectedBy(column.name) from None
    if column.key and value is None:
        raise RejectedBy(column.name)
    return value


def steps(column: Column) -> list[Any]:
    return column.source.split(".") if isinstance(column.source, str) else list(column.source)


def convert(column_type: str, value: dict[str, Any]) -> Any:  # noqa: C901, PLR0912
    kind, content = next(iter(value.items()))
    if kind == "NULL":
        return None
    if (kind, content) == ("S", "") and column_type not in ("text", "jsonb"):
        return None
    match column_type, kind:
        case "text", "S" | "N":
            return content
        case "text", "BOOL":
            return str(content).lower()
        case "numeric", "N" | "S":
            return decimal(content)
        case "bigint", "N" | "S":
            return whole(content)
        case "boolean", "BOOL":
            return content
        case "boolean", "S":
            return (
                {"true": True, "false": False}.get(content.lower()) if content.lower() in ("true", "false") else fail()
            )
        case "boolean", "N":
            return bool(whole(content)) if whole(content) in (0, 1) else fail()
        case "date", "S":
            return datetime.fromisoformat(content).date()
        case "timestamptz", "S":
            moment = datetime.fromisoformat(content)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        case "timestamptz", "N":
            return epoch(decimal(content))
        case "text[]", "SS":
            return sorted(content, key=lambda text: [ord(character) for character in text])
        case "numeric[]", "NS":
            return sorted(decimal(number) for number in content)
        case "text[]", "L":
            return [element(each, "S", str) for each in content]
        case "numeric[]", "L":
            return [element(each, "N", decimal) for each in content]
        case "jsonb", _:
            return plain(value)
        case "bytea", "B" | "S":
            return base64.b64decode(content, validate=True)
    return fail()


def fail() -> Any:
    raise ValueError


def element(value: dict[str, Any], wanted: str, make: Any) -> Any:
    kind, content = next(iter(value.items()))
    if kind == "NULL":
        return None
    return make(content) if kind == wanted else fail()


def decimal(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        raise ValueError(text)
    number = Decimal(text)
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # neither NaN nor infinite
    if (number and len("".join(map(str, digits)).lstrip("0")) + exponent > 131072) or -exponent > 16383:
        raise ValueError(text)
    return number


def whole(text: str) -> int:
    number = decimal(text)
    if number != number.to_integral_value() or not -(2**63) <= number < 2**63:
        raise ValueError(text)
    return int(number)


def epoch(number: Decimal) -> datetime:
    with localcontext() as context:
        context.prec = 400
        seconds = number / 1000 if abs(number) >= 10**11 else number
        if abs(seconds) > 10**12:
            raise ValueError(number)
        try:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(seconds * 10**6))
        except OverflowError:
            raise ValueError(number) from None


def plain(value: dict[str, Any]) -> Any:
    kind, content = next(iter(value.items()))
    match kind:
        case "N":
            return Decimal(content)
        case "M":
            return {name: plain(inner) for name, inner in content.items()}
        case "L":
            return [plain(inner) for inner in content]
        case "NULL":
            return None
        case "SS" | "BS":
            return sorted(content)
        case "NS":
            return sorted(Decimal(number) for number in content)
    return content


def extra(item: dict[str, Any], table: Table) -> dict[str, Any] | None:
    """Delete from a copy what the columns read outside of lists, then what is on their way and has nothing left."""
    root = {"M": copy.deepcopy(item)}
    following: dict[tuple[str, ...], str | int] = {}  # what comes after an attribute that a path goes through
    for path in [steps(column) for column in table.columns]:
        names = list(takewhile(lambda step: isinstance(step, str), path))
        following |= {tuple(names[:n]): path[n] for n in range(1, len(names) + 1) if n < len(path)}
        if names == path and (parent := find(root, path[:-1])) is not None:
            parent.pop(path[-1], None)
    for way in sorted(following, key=len, reverse=True):
        nothing = [{"NULL": True}, {"M": {}}] if isinstance(following[way], str) else [{"NULL": True}]
        if (parent := find(root, list(way[:-1]))) is not None and parent.get(way[-1]) in nothing:
            parent.pop(way[-1])
    return plain(root) or None


def find(root: dict[str, Any], path: list[str]) -> dict[str, Any] | None:
    at: Any = root
    for name in path:
        at = at["M"].get(name, {})
        if "M" not in at:
            return None
    members: dict[str, Any] = at["M"]
    return members
