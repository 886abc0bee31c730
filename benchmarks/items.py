"""Made-up items of the `documents` table, and the pages in which DynamoDB's Scan answers with them.

An item depends on the seed and its number alone, whatever the number of items, pages and segments. Items
are made from templates, drawn once from the seed, by putting numbers in: a million takes some seconds.
"""

import base64
import json
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

SEED = 2026
TABLE = "documents"
PAGE_BYTES = 1 << 20  # DynamoDB: a page ends at 1 MB

_TEMPLATES = 1000  # of which a share of 1/_LONG has 38-digit numbers, 1/_UNREAD attributes that no column reads …
_LONG, _UNREAD, _MISSING, _NULL = 50, 40, 20, 25
_ENVELOPE_BYTES = 300  # what stands around a page's items, at most
_REJECT_EVERY = 500  # items
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


def make_items(count: int, start: int = 0, *, seed: int = SEED, rejects: bool = False) -> Iterator[bytes]:
    """Yield the items from number `start` on as compact JSON of about 895 B.

    With `rejects`, one of 500 has a date that is none.
    """
    templates = _templates(seed)
    for number in range(start, start + count):
        template, bad = templates[number * 7919 % _TEMPLATES]
        cents = number * 48_271 % 9_000_000 + 100_000 | 1  # DynamoDB: a number has no trailing zeros
        values = {
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
        yield (bad if rejects and number % _REJECT_EVERY == _REJECT_EVERY // 2 else template) % values


def pages(
    count: int, segments: int = 1, segment: int = 0, *, seed: int = SEED, rejects: bool = False
) -> Iterator[bytes]:
    """Yield the pages of one segment as DynamoDB writes them, of at most 1 MB; the last has no LastEvaluatedKey."""
    start, end = count * segment // segments, count * (segment + 1) // segments
    page: list[bytes] = []
    size = 0
    for item in make_items(end - start, start, seed=seed, rejects=rejects):
        if size + len(item) + 1 > PAGE_BYTES - _ENVELOPE_BYTES:
            yield _page(page, last=False)
            page, size = [], 0
        page.append(item)
        size += len(item) + 1
    yield _page(page, last=True)


def _page(items: list[bytes], *, last: bool) -> bytes:
    body = b",".join(items)
    units = -(-len(body) // _UNIT_BYTES) / 2
    start = f'{{"ConsumedCapacity":{{"CapacityUnits":{units},"TableName":"{TABLE}"}},"Count":{len(items)},"Items":['
    key = "" if last else ',"LastEvaluatedKey":' + _compact({"documentId": json.loads(items[-1])["documentId"]})
    return b"".join((start.encode(), body, f']{key},"ScannedCount":{len(items)}}}'.encode()))


@cache
def _templates(seed: int) -> list[tuple[bytes, bytes]]:
    """Draw the templates, each as it should be and with a date that is none."""
    random = Random(seed)
    templates = []
    for number in range(_TEMPLATES):
        item = _draw(random, number)
        templates.append((_format(item), _format(item | {"issueDate": {"S": "31/12/2026"}})))
    random.shuffle(templates)
    return templates


def _draw(random: Random, number: int) -> dict[str, Any]:
    """One item; `<name>` is what its number decides."""
    month = random.randrange(1, 12)
    digits = {"N": "<digits>.5"} if number % _LONG == 0 else None
    item: dict[str, Any] = {
        "status": {"S": random.choice(["received", "extracted", "approved", "paid"])},
        "receivedAt": random.choice([{"S": f"2026-{month:02}-<day>T08:15:<second>Z"}, {"N": "17750250<second>"}]),
        "lineItems": {"L": [_line_item(random, digits) for _ in range(random.choice([1, 2]))]},
        "documentId": {"S": "doc-<number>"},
        "tags": {"SS": sorted(random.sample(_LABELS, random.randint(1, 2)))},
        "pageCount": {"N": str(random.randint(1, 40))},
        "amounts": {
            "M": {
                "tax": {"N": "<tax>.<cents>"},
                "net": {"N": "<euros>.<cents>"},
                "gross": digits or {"N": "<gross>.<cents>"},
            }
        },
        "invoiceNumber": {"S": "INV-2026/<number>"},
        "issueDate": {"S": f"2026-{month:02}-<day>"},
        "contentHash": {"B": base64.b64encode(random.randbytes(32)).decode()},
        "parties": {
            "M": {
                "supplier": {
                    "M": {
                        "name": {"S": random.choice(_SUPPLIERS)},
                        "taxId": {"S": f"DE{random.randrange(10**8, 10**9)}"},
                    }
                },
                "buyer": {"M": {"name": {"S": random.choice(["Nordwind AG", "Südwind SE"])}}},
            }
        },
        "currency": {"S": random.choice(["EUR", "EUR", "USD", "CHF"])},
        "tenantId": {"S": random.choice(["acme-de", "acme-fr", "nordwind"])},
        "isDuplicate": {"BOOL": random.random() < 0.1},  # noqa: PLR2004 - a share
        "caseId": {"S": "case-<case>"},
        "documentType": {"S": random.choice(["invoice", "invoice", "credit_note"])},
        "version": {"N": str(random.randint(1, 9))},
        "dueDate": {"S": f"2026-{month + 1:02}-<day>"},
    }
    if number % _UNREAD == 1:
        item["collectorVersion"] = {"S": "3.2.0"}
        item["amounts"]["M"]["note"] = {"S": "geprüft ✔"}
    if number % _MISSING == 2:  # noqa: PLR2004 - any remainder will do
        del item["tags"]
    if number % _NULL == 3:  # noqa: PLR2004 - the same
        item["dueDate"] = {"NULL": True}
    return item


def _line_item(random: Random, digits: dict[str, str] | None) -> dict[str, Any]:
    members = {
        "name": {"S": random.choice(_ITEM_NAMES)},
        "sku": {"S": f"A-{random.randrange(1000)}"},
        "qty": {"N": str(random.randint(1, 20))},
        "price": digits or {"N": "<euros>.<cents>"},
    }
    return {"M": members}


# How a number is written in place of its name.
_PLACES = {
    "number": b"%(number)09d",
    "case": b"%(case)08d",
    "euros": b"%(euros)d",
    "cents": b"%(cents)02d",
    "tax": b"%(tax)d",
    "gross": b"%(gross)d",
    "day": b"%(day)02d",
    "second": b"%(second)02d",
    "digits": b"%(digits)d",
}


def _format(item: dict[str, Any]) -> bytes:
    text = _compact(item).encode().replace(b"%", b"%%")
    for name, place in _PLACES.items():
        text = text.replace(f"<{name}>".encode(), place)
    return text


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
