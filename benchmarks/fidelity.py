"""Checks the rows in a contestant's table: a fast wrong answer does not count."""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from statistics import fmean
from typing import Any

from benchmarks.contestants import SCHEMA, Contestant
from benchmarks.environment import Environment
from benchmarks.items import make_items
from benchmarks.workload import CASES
from demand_pipeline.postgres.statements import qualified, quote
from demand_pipeline.tables import ColumnType

_SAMPLE = 5_000  # items; 1 of 50 has 38-digit numbers, 1 of 40 attributes that no column reads
_LONG_DIGITS = 30


type Fidelity = dict[str, tuple[int, int]]


def share(fidelity: Fidelity) -> float:
    """Return the mean share of correct values; 1 if nothing is lost."""
    return fmean(right / of for right, of in fidelity.values())


def check(environment: Environment, contestant: Contestant, items: int) -> Fidelity:
    """Compare the contestant's table with its items; return the numbers of correct and of all values."""
    table = qualified(SCHEMA, contestant.table)
    rows = int(environment.postgres.execute(f"SELECT count(*) FROM {table}"))
    sample = [json.loads(item) for item in make_items(min(items, _SAMPLE))]
    key = contestant.column("document_id")
    # The items are in the order of their keys.
    found = environment.postgres.execute(f"SELECT to_jsonb(t) FROM {table} t ORDER BY {quote(key)} LIMIT {_SAMPLE}")
    parsed = [json.loads(row, parse_float=Decimal, parse_int=Decimal) for row in found.splitlines()]
    stored = {row[key]: row for row in parsed}
    pairs = [(item, stored.get(item["documentId"]["S"], {})) for item in sample]
    exact = [right for item, row in pairs for right in _exact_numbers(contestant, item, row)]
    unread = ["3.2.0" in (text := str(row)) and "geprüft" in text for item, row in pairs if "collectorVersion" in item]
    return {
        "rows": (min(rows, items), items),
        "38-digit numbers exact": (sum(exact), len(exact)),
        "column types": (_typed_columns(environment, contestant), len(CASES.columns)),
        "items' unread attributes": (sum(unread), len(unread)),  # anywhere in their row
    }


def _exact_numbers(contestant: Contestant, item: dict[str, Any], row: dict[str, Any]) -> Iterator[bool]:
    """Yield for each of the item's 38-digit numbers whether all its digits are in the row."""
    gross = item["amounts"]["M"]["gross"]["N"]
    if len(gross) < _LONG_DIGITS:
        return
    try:
        yield Decimal(row.get(contestant.column("gross_amount"), "")) == Decimal(gross)
    except (TypeError, InvalidOperation):
        yield False
    lines = row.get(contestant.column("line_items"))
    if isinstance(lines, str):
        lines = json.loads(lines, parse_float=Decimal)
    prices = {number: line.get("price") for number, line in enumerate(lines or [])}
    for number, line in enumerate(item["lineItems"]["L"]):
        yield prices.get(number) == Decimal(line["M"]["price"]["N"])  # a string does not count as a number


def _typed_columns(environment: Environment, contestant: Contestant) -> int:
    """Return the number of columns with the declared type."""
    found = environment.postgres.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped "
        f"AND attrelid = '{qualified(SCHEMA, contestant.table)}'::regclass"
    )
    types = dict(line.split("|") for line in found.splitlines())
    return sum(types.get(contestant.column(each.name)) == _type_name(each.type) for each in CASES.columns)


def _type_name(kind: ColumnType) -> str:
    return "timestamp with time zone" if kind is ColumnType.TIMESTAMPTZ else str(kind)
