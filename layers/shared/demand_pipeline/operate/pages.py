"""Limits the size of an answer: Lambda returns at most 6 MB."""

import json
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from typing import Any

ANSWER_BYTES = 5_000_000


def fitting[Record](records: Iterable[Record], limit: int = ANSWER_BYTES) -> list[Record]:
    """Return the first records, dataclasses or plain values, that fit into one answer; at least one, if any."""
    taken: list[Record] = []
    size = 0
    for record in records:
        value: Any = record
        # As ASCII, which is an upper bound.
        size += len(json.dumps(asdict(value) if is_dataclass(record) else value))
        if taken and size > limit:
            break
        taken.append(record)
    return taken
