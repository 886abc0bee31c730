"""Synthetic items of the `documents` table, and the pages with which DynamoDB's Scan returns them.

An item depends only on its number, whatever the number of items, pages and segments. Templates are drawn once, and
numbers are filled in, so a million items take some seconds.
"""

import base64
import json
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

SEED = 2026
TABLE = "documents"
PAGE_BYTES = 1 << 20  # DynamoDB: a page ends at 1 MB
STORED_BYTES = 502.1  # per item, as DynamoDB counts them; a test checks it

_TEMPLATES = 1000  # a share of 1/_LONG has 38-digit numbers, 1/_UNREAD attributes that no column reads …
_LONG, _UNREAD, _MISSING, _NULL = 50, 40, 20, 25
_ENVELOPE_BYTES = 300  # maximum size of a page without its items
_UNIT_BYTES = 4096  # DynamoDB: half a read unit for each, eventually consistent

_SUPPLIERS = (
    "Müller & Söhne GmbH",
    "Bäckerei Grünäugl OHG",
    "Æther Ångström A/S",
    'Ouest "Atlantique" SARL',
    "Papier Nord AG",
)
_LABELS = ("urgent", "recurring", "größer als 10k", "reviewed", "paper", "cost-centre-7", "back\\slash")
_ITEM_NAMES = ("Drucktinte schwarz", "Kopierpapier A4, 500 Blatt", "Wartung", "Toner cartridge", "Versandkosten")


def make_items(count: int, start: int = 0) -> Iterator[bytes]:
    """Yield the items from number `start` on as compact DynamoDB JSON of about 895 B."""
    templates = _templates()
    for number in range(start, start + count):
        cents = number * 48_271 % 9_000_000 + 100_000 | 1  # DynamoDB: a number has no trailing zeros
        yield templates[number * 7919 % _TEMPLATES] % {
            b"number": number,
            b"case": number // 3,
            b"euros": cents // 100,
            b"cents": cents % 100,
            b"tax": cents * 19 // 10_000,
            b"gross": cents * 119 // 10_000,
            b"day": number % 28 + 1,
            b"second": number % 60,
            b"digits": (number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 10**36 + 10**36,
        }


class Items:
    """All items of a table in one block of memory, for pages of any number of segments."""

    def __init__(self, count: int) -> None:
        self._text = bytearray()  # items with a comma after each
        self._ends = array("Q", [0])
        for item in make_items(count):
            self._text += item + b","
            self._ends.append(len(self._text))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def pages(self, segments: int = 1, segment: int = 0) -> Iterator[tuple[bytes, memoryview, bytes]]:
        """Yield a segment's pages as DynamoDB writes them, of at most 1 MB; the last has no LastEvaluatedKey.

        A page consists of three parts: the text before its items, the items, and the text after them.
        """
        start, end = len(self) * segment // segments, len(self) * (segment + 1) // segments
        while True:
            full = bisect_right(self._ends, self._ends[start] + PAGE_BYTES - _ENVELOPE_BYTES) - 1
            yield self._page(start, min(full, end), last=full >= end)
            if full >= end:
                return
            start = full

    def _page(self, start: int, end: int, *, last: bool) -> tuple[bytes, memoryview, bytes]:
        items = memoryview(self._text)[self._ends[start] : max(self._ends[start], self._ends[end] - 1)]
        units = -(-len(items) // _UNIT_BYTES) / 2
        key = ""
        if not last:
            item = self._text[self._ends[end - 1] : self._ends[end] - 1]
            key = ',"LastEvaluatedKey":' + _compact({"documentId": json.loads(item)["documentId"]})
        capacity = f'"ConsumedCapacity":{{"CapacityUnits":{units},"TableName":"{TABLE}"}}'
        head = f'{{{capacity},"Count":{end - start},"Items":['
        return head.encode(), items, f']{key},"ScannedCount":{end - start}}}'.encode()


@cache
def _templates() -> list[bytes]:
    random = Random(SEED)
    templates = [_compact(_draw(random, number)).encode() for number in range(_TEMPLATES)]
    random.shuffle(templates)
    return templates


def _draw(random: Random, number: int) -> dict[str, Any]:
    """Draw one template, with placeholders for values that depend on the item's number."""
    month = random.randrange(1, 12)
    digits = {"N": "%(digits)d.5"} if number % _LONG == 0 else None
    received = [{"S": f"2026-{month:02}-%(day)02dT08:15:%(second)02dZ"}, {"N": "17750250%(second)02d"}]
    item: dict[str, Any] = {
        "status": {"S": random.choice(["received", "extracted", "approved", "paid"])},
        "receivedAt": random.choice(received),
        "lineItems": {"L": [_line_item(random, digits) for _ in range(random.choice([1, 2]))]},
        "documentId": {"S": "doc-%(number)09d"},
        "tags": {"SS": sorted(random.sample(_LABELS, random.randint(1, 2)))},
        "pageCount": {"N": str(random.randint(1, 40))},
        "amounts": {
            "M": {
                "tax": {"N": "%(tax)d.%(cents)02d"},
                "net": {"N": "%(euros)d.%(cents)02d"},
                "gross": digits or {"N": "%(gross)d.%(cents)02d"},
            }
        },
        "invoiceNumber": {"S": "INV-2026/%(number)09d"},
        "issueDate": {"S": f"2026-{month:02}-%(day)02d"},
        "contentHash": {"B": base64.b64encode(random.randbytes(32)).decode()},
        "parties": {"M": {"supplier": {"M": _supplier(random)}, "buyer": {"M": _buyer(random)}}},
        "currency": {"S": random.choice(["EUR", "EUR", "USD", "CHF"])},
        "tenantId": {"S": random.choice(["acme-de", "acme-fr", "nordwind"])},
        "isDuplicate": {"BOOL": random.random() < 0.1},  # noqa: PLR2004 - a share
        "caseId": {"S": "case-%(case)08d"},
        "documentType": {"S": random.choice(["invoice", "invoice", "credit_note"])},
        "version": {"N": str(random.randint(1, 9))},
        "dueDate": {"S": f"2026-{month + 1:02}-%(day)02d"},
    }
    if number % _UNREAD == 1:
        item["collectorVersion"] = {"S": "3.2.0"}
        item["amounts"]["M"]["note"] = {"S": "geprüft ✔"}
    if number % _MISSING == 2:  # noqa: PLR2004 - any remainder will do
        del item["tags"]
    if number % _NULL == 3:  # noqa: PLR2004 - the same
        item["dueDate"] = {"NULL": True}
    return item


def _supplier(random: Random) -> dict[str, Any]:
    return {"name": {"S": random.choice(_SUPPLIERS)}, "taxId": {"S": f"DE{random.randrange(10**8, 10**9)}"}}


def _buyer(random: Random) -> dict[str, Any]:
    return {"name": {"S": random.choice(["Nordwind AG", "Südwind SE"])}}


def _line_item(random: Random, digits: dict[str, str] | None) -> dict[str, Any]:
    members = {
        "name": {"S": random.choice(_ITEM_NAMES)},
        "sku": {"S": f"A-{random.randrange(1000)}"},
        "qty": {"N": str(random.randint(1, 20))},
        "price": digits or {"N": "%(euros)d.%(cents)02d"},
    }
    return {"M": members}


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
