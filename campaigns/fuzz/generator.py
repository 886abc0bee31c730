"""Generates items up to DynamoDB's limits from a seed.

DynamoDB: 400 KB per item, 32 levels, 38 digits, exponents from -130 to 125, keys of 2,048 and 1,024 bytes.
"""

import base64
from dataclasses import replace
from random import Random
from typing import Any

from demand_pipeline.tables import Column, ColumnType, Table
from local.sample import put

TEXTS = (
    "", "\0", "a\0b", "\0" * 9, "\ufffd", "\\u0000", "\\", "\\\\", '\\"', '"', '""', "'", "\n", "\r\n", "\r", "\t", "\\.", "\\N", "\\n",
    "null", "NULL", "true", "FALSE", "{}", "{", "}", "[]", "]\n[", ",", "a,b", "__proto__", "constructor", "é", "e\u0301", "🌻", "👩‍👩‍👧",
    "\u202eabc", "\u200f", "\u2028", "\u2029", "\ufeff", "\x7f", "\x1f", "\x01", "\ud800", "\udfff\ud800", "\U0010ffff", "\uffff",
    "'; DROP TABLE cases; --", "$1", ":name", "%s", "{0}", "$$", "E'\\x'", " ", " a ", "\u00a0", "<script>", "NaN", "Infinity", "-inf",
    "+5", "007", ".5", "5.", "-.5e-3", "1_0", "٣", "1e5", "1E-130", "0x10", "1e400", "-1e-16383", "1e-16384", "1e131071", "1e131072",
    "9" * 38, "9" * 400, "-" + "1" * 5000, "0." + "1" * 16383, "0." + "1" * 16384, "1e999999999", "0e999999999", "1e-999999999", "0" * 5000 + "1",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "10.0", "1E+3", "1e18", "-0",
    "2026-11-23", "31/12/2026", "2026-02-30", "20261123", "2026-W47-1", "0001-01-01", "9999-12-31", "10000-01-01", "2026-11-23T10:00:00Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-23T10:00:00.1234567+05:30", "2026-11-23 24:00", "today", "infinity", "epoch",
    "AAEC", "AAE", "====", "AA==", "AA\n==", "not base64",
)  # fmt: skip
CHARACTERS = [*map(chr, range(32, 127)), *"éßЖ漢🌻\0\n\t\\\"'\u202e\ufffd\u2028"]
NUMBERS = ("0", "-0", "1", "10.0", "1E+3", "1E-130", "-1E-130", "9.9999999999999999999999999999999999999E+125", "9" * 38, "-" + "9" * 38,
           "0.00000000000000000000000000000000000001", "1775025072", "1775025072123", "1775025072123.4567", "99999999999", "100000000000",
           "-1.0000005", "253402300800", "-62135596801", "9223372036854775807", "9223372036854775808", "2")  # fmt: skip
MAX_LEVELS = 32
SERIAL = "serial"  # an attribute that no column reads, different in every item
BIG, DEEP = 0.0005, 0.002  # shares of items of up to 400 KB and of 32 levels


class Generator:
    """Draws one item after the other, the same items for the same seed. All keys are different."""

    def __init__(self, seed: int | str) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.drawn = 0

    def item(self, table: Table) -> dict[str, Any]:
        """Draw an item for a table: its key, some columns' attributes with likely and unlikely values, and others."""
        random = self.random
        item: dict[str, Any] = {self.text(): self.value() for _ in range(random.choice((0, 0, 1, 2)))}
        for column in random.sample(table.columns, random.choice((0, 1, 2, 3))):
            self.put(item, column, self.likely(column.type))
        if random.random() < 0.05:
            item[random.choice(table.columns).attribute] = self.value()
        if random.random() < BIG:
            item["big"] = self.big()
        if random.random() < DEEP:
            item[random.choice(("deep", table.columns[-1].attribute))] = self.deep()
        self.put_key(item, table)
        item[SERIAL] = {"N": str(self.drawn)}
        return item

    def put_key(self, item: dict[str, Any], table: Table) -> None:
        self.drawn += 1
        for position, column in enumerate(table.key):
            if column.type is ColumnType.TEXT:
                item[column.attribute] = {"S": self.key_text((2048, 1024)[position])}
            else:
                item[column.attribute] = {"N": str(self.drawn)}
        if self.random.random() < 0.002:  # accepted by emulators only
            self.random.choice((item.pop, lambda name: item.update({name: {"NULL": True}})))(table.key[0].attribute)

    def key_text(self, limit: int) -> str:
        """Return a text of at most `limit` bytes that ends with a unique number."""
        text = self.text()
        if self.random.random() < 0.01:  # as long as DynamoDB accepts, and hard to compress
            characters = self.random.choice((CHARACTERS[:95], CHARACTERS, "\n\t\\", "\0"))
            text = "".join(self.random.choices(characters, k=limit))
        own = f"/{self.drawn}"
        return text.encode(errors="replace")[: limit - len(own)].decode(errors="ignore") + own

    def put(self, item: dict[str, Any], column: Column, value: Any) -> None:
        """Put a value at the column's path, sometimes with unread members in the maps on it."""
        for n, step in enumerate(column.path):
            if n and isinstance(step, str) and self.random.random() < 0.2:
                put(item, replace(column, source=(*column.path[:n], self.text())), self.value())
        put(item, column, value)

    def likely(self, kind: ColumnType) -> dict[str, Any]:
        """Return a value that a column of this type usually accepts."""
        random = self.random
        if random.random() < 0.15:
            return self.value()
        match kind:
            case ColumnType.NUMERIC:
                return random.choice(({"N": self.number()}, {"S": self.number()}))
            case ColumnType.BIGINT:
                return {random.choice("NS"): str(random.randint(-(2**63), 2**63 - 1) >> random.randrange(64))}
            case ColumnType.BOOLEAN:
                return random.choice(({"BOOL": True}, {"BOOL": False}, {"S": "tRuE"}, {"N": "0"}, {"N": "1.0"}))
            case ColumnType.DATE | ColumnType.TIMESTAMPTZ:
                day = f"{random.randint(1, 9999):04}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
                time = f"T{random.randrange(24):02}:{random.randrange(60):02}:59.{random.randrange(10**6)}"
                return {"S": day + random.choice(("", time, time + "Z", time + "-11:30"))}
            case ColumnType.TEXT_ARRAY:
                return random.choice(({"SS": self.distinct(self.text)}, {"L": self.elements("S", self.text)}))
            case ColumnType.NUMERIC_ARRAY:
                return random.choice(({"NS": self.distinct(self.number)}, {"L": self.elements("N", self.number)}))
            case ColumnType.BYTEA:
                return {random.choice("BS"): self.binary()}
            case ColumnType.JSONB:
                return self.value()
        return {"S": self.text()}

    def value(self, levels: int = 4) -> dict[str, Any]:
        """Return any value, usually a small one."""
        random = self.random
        kind = random.choice(("S", "S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M") if levels else ("S", "N"))
        match kind:
            case "S":
                content: Any = self.text()
            case "N":
                content = self.number()
            case "B":
                content = self.binary()
            case "BOOL":
                content = random.random() < 0.5
            case "NULL":
                content = True
            case "SS" | "NS" | "BS":
                content = self.distinct({"SS": self.text, "NS": self.number, "BS": self.binary}[kind])
            case "L":
                content = [self.value(levels - 1) for _ in range(random.randrange(4))]
            case _:
                content = {self.text(): self.value(levels - 1) for _ in range(random.randrange(4))}
        return {kind: content}

    def text(self) -> str:
        random = self.random
        if random.random() < 0.5:
            return random.choice(TEXTS)
        return "".join(random.choices(CHARACTERS, k=random.randrange(12)))

    def number(self) -> str:
        """Return a number within DynamoDB's limits: 38 digits and exponents from -130 to 125."""
        random = self.random
        if random.random() < 0.4:
            return random.choice(NUMBERS)
        digits = str(random.randrange(10 ** random.randint(1, 38)))
        sign = random.choice(("", "-"))
        match random.randrange(3):
            case 0:
                return sign + digits
            case 1:
                return f"{sign}{digits[0]}.{digits[1:] or '0'}"
        return f"{sign}{digits[0]}.{digits[1:] or '0'}E{random.randint(-130, 125):+}"

    def binary(self) -> str:
        return base64.b64encode(self.random.randbytes(self.random.choice((0, 1, 2, 3, 12)))).decode()

    def distinct(self, draw: Any) -> list[str]:
        return list({draw(): None for _ in range(self.random.choice((1, 2, 5)))})

    def elements(self, kind: str, draw: Any) -> list[dict[str, Any]]:
        draws = range(self.random.randrange(5))
        return [{"NULL": True} if self.random.random() < 0.1 else {kind: draw()} for _ in draws]

    def big(self) -> dict[str, Any]:
        """Return a value that fills an item to 400 KB: one text, many small values, or many names."""
        random = self.random
        match random.randrange(4):
            case 0:
                return {"S": "".join(random.choices(CHARACTERS, k=1000)) * 250}
            case 1:
                return {"S": random.choice('\0"\\\n🌻') * 90_000}
            case 2:
                return {"L": [self.value(1) for _ in range(8000)]}
        return {"M": {f"{number}{self.text()}": {"N": self.number()} for number in range(6000)}}

    def deep(self) -> dict[str, Any]:
        """Return a value with as many levels as DynamoDB accepts."""
        value = self.value(0)
        for _ in range(MAX_LEVELS - 1):
            value = {"L": [value]} if self.random.random() < 0.5 else {"M": {self.text(): value}}
        return value
