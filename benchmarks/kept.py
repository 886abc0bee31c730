"""What arrived in a contestant's table: a fast wrong answer is none."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from statistics import fmean
from typing import Any

from benchmarks.contestants import SCHEMA, Contestant
from benchmarks.items import make_items
from benchmarks.stand import Stand
from benchmarks.workload import CASES
from demand_pipeline.postgres.statements import qualified, quote
from demand_pipeline.tables import ColumnType

_SAMPLE = 5_000  # items; 1 of 50 has 38-digit numbers, 1 of 40 attributes that no column reads
_LONG_DIGITS = 30


@dataclass(frozen=True)
class Kept:
    """What was found, and of how many.

    Rows; 38-digit numbers that are exact; columns of the right type; items whose unread attributes are somewhere in
    their row.
    """

    rows: tuple[int, int]
    exact: tuple[int, int]
    typed: tuple[int, int]
    unread: tuple[int, int]

    @property
    def share(self) -> float:
        """The mean of the four shares; 1 when nothing is lost."""
        return fmean(found / of for found, of in (self.rows, self.exact, self.typed, self.unread))

    def __str__(self) -> str:
        parts = {"rows": self.rows, "38-digit numbers exact": self.exact}
        parts |= {"column types": self.typed, "items' unread attributes": self.unread}
        return "; ".join([f"{name} {found:,} of {of:,}" for name, (found, of) in parts.items()])


def check(stand: Stand, contestant: Contestant, items: int) -> Kept:
    """Compare the contestant's table with the items it was made from."""
    table = qualified(SCHEMA, contestant.table)
    rows = int(stand.postgres.execute(f"SELECT count(*) FROM {table}"))
    sample = {item["documentId"]["S"]: item for item in map(json.loads, make_items(min(items, _SAMPLE)))}
    stored = _stored(stand, contestant, list(sample))
    numbers = [(key, path, digits) for key, item in sample.items() for path, digits in _long_numbers(item)]
    unread = [key for key, item in sample.items() if "collectorVersion" in item]
    return Kept(
        rows=(min(rows, items), items),
        exact=(sum(_number(contestant, stored.get(key), path) == Decimal(n) for key, path, n in numbers), len(numbers)),
        typed=(_typed_columns(stand, contestant), len(CASES.columns)),
        unread=(sum(_has_unread(stored.get(key)) for key in unread), len(unread)),
    )


def _stored(stand: Stand, contestant: Contestant, keys: list[str]) -> dict[str, dict[str, Any]]:
    """Read the sample's rows, by key; numbers in JSON stay exact."""
    key = quote(contestant.column("document_id"))
    wanted = json.dumps(keys).replace("'", "''")
    rows = stand.postgres.execute(
        f"SELECT jsonb_build_object('key', {key}, 'row', to_jsonb(t)) FROM {qualified(SCHEMA, contestant.table)} t "
        f"WHERE {key} IN (SELECT jsonb_array_elements_text('{wanted}'))"
    )
    parsed = [json.loads(row, parse_float=Decimal, parse_int=Decimal) for row in rows.splitlines()]
    return {row["key"]: row["row"] for row in parsed}


def _long_numbers(item: dict[str, Any]) -> Iterator[tuple[tuple[str, int | None], str]]:
    """The item's 38-digit numbers: where (the column, and the line of the invoice), and which."""
    gross = item["amounts"]["M"]["gross"]["N"]
    if len(gross) > _LONG_DIGITS:
        yield ("gross_amount", None), gross
        for number, line in enumerate(item["lineItems"]["L"]):
            yield ("line_items", number), line["M"]["price"]["N"]


def _number(contestant: Contestant, row: dict[str, Any] | None, path: tuple[str, int | None]) -> Decimal | None:
    column, line = path
    try:
        value = (row or {})[contestant.column(column)]
        if line is not None:
            lines = json.loads(value, parse_float=Decimal) if isinstance(value, str) else value
            value = lines[line]["price"]
            # A string in JSON is no number any more.
            return value if isinstance(value, Decimal) else None
        return Decimal(value)
    except (KeyError, TypeError, IndexError, ValueError, InvalidOperation):
        return None


def _typed_columns(stand: Stand, contestant: Contestant) -> int:
    """How many columns have the type that the table's declaration gives them."""
    found = stand.postgres.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped "
        f"AND attrelid = '{qualified(SCHEMA, contestant.table)}'::regclass"
    )
    types = dict(line.split("|") for line in found.splitlines())
    return sum(types.get(contestant.column(each.name)) == _pg_name(each.type) for each in CASES.columns)


def _pg_name(column_type: ColumnType) -> str:
    return "timestamp with time zone" if column_type is ColumnType.TIMESTAMPTZ else str(column_type)


def _has_unread(row: dict[str, Any] | None) -> bool:
    text = json.dumps(row, default=str, ensure_ascii=False)
    return "3.2.0" in text and "geprüft" in text
