"""The items of the source tables, and the reference implementation's output for them."""

import base64
import copy
from dataclasses import dataclass, field
from random import Random
from typing import Any

from demand_pipeline.tables import ColumnType, Table
from local.sample import put
from local.sample_values import SPOILT, draw, numbered
from tests.support.aws import dynamodb_json
from tests.support.reference import RejectedBy, expected_row, plain, storable

type Item = dict[str, Any]

# A part of every text that must not be logged.
MARKER = "tel-5550199-geheim"


@dataclass
class Expected:
    """The expected contents of a warehouse table after a run of these items."""

    rows: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    rejects: list[tuple[str, Any, Any]] = field(default_factory=list)  # column, key, item
    sanitized: int = 0

    @property
    def scanned(self) -> int:
        """The number of items."""
        return len(self.rows) + len(self.rejects)


def draw_items(random: Random, table: Table, most: int) -> list[Item]:
    """Draw a table's items, in boto3's spelling; every text except for keys contains the marker."""
    count = random.choice((0, 1, random.randint(2, most), most, most))
    return [_draw_item(random.getrandbits(64), table, number) for number in random.sample(range(2 * most), count)]


def _draw_item(seed: int, table: Table, number: int) -> Item:
    """Draw an item; each column has its own seed, so that a new column does not change the others."""
    item: Item = {}
    for column in table.columns:
        random = Random(f"{seed} {column.name}")
        if column.key:
            value = {"S": f"k-{number}"} if column.type is ColumnType.TEXT else numbered(column, number + 1)
            put(item, column, value)
        elif random.random() < 0.7:
            put(item, column, _marked(draw(column, random)))
    random = Random(seed)
    if random.random() < 0.3:
        digits = "".join(random.choice("123456789") for _ in range(38))
        item["unread"] = {"M": {"note": {"S": MARKER}, 'odd "name"\n': {"N": digits}, "L": {"L": [{"S": "a\0b"}]}}}
    if random.random() < 0.15:
        column = random.choice([column for column in table.columns if column.type is ColumnType.TEXT])
        if not column.key:
            put(item, column, {"S": f"nul\0 {MARKER}"})
    if random.random() < 0.12:
        column = random.choice([column for column in table.columns if not column.key and column.type in SPOILT])
        put(item, column, _marked(SPOILT[column.type]))
    return item


def _marked(value: Item) -> Item:
    """Add the marker to a text, unless the column would then reject it."""
    text = value.get("S")
    if text is None or text.lower() in ("true", "false") or text[:1].isdigit():
        return value
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return {"S": f"{text} {MARKER}"}
    return value


def with_trailing_zeros(table: Table, item: Item) -> Item:
    """Add a trailing zero to an item's numbers: for PostgreSQL they are equal to the old ones, but not identical."""
    item = copy.deepcopy(item)
    for column in table.columns:
        value: Any = {"M": item}
        for name in column.path:
            value = value.get("M", {}).get(name, {})
        if column.type is ColumnType.NUMERIC and "N" in value and "E" not in value["N"].upper():
            value["N"] += "0" if "." in value["N"] else ".0"
    return item


def expected(table: Table, items: list[Item]) -> Expected:
    """Convert the items with the reference implementation."""
    result = Expected()
    for item in map(dynamodb_json, items):
        try:
            row, sanitized = expected_row(item, table)
        except RejectedBy as reject:
            result.rejects.append((reject.column, plain({"M": key_of(table, item)}), plain({"M": storable(item)})))
        else:
            result.rows[tuple(row[column.name] for column in table.key)] = row
            result.sanitized += sanitized
    return result


def key_of(table: Table, item: Item) -> Item:
    """Return an item's key."""
    return {column.attribute: item[column.attribute] for column in table.key}
