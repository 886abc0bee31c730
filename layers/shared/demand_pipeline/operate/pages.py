"""Answers that fit: Lambda returns at most 6 MB."""

import json
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from typing import Any

ANSWER_BYTES = 5_000_000


def fitting[Record](records: Iterable[Record], limit: int = ANSWER_BYTES) -> list[Record]:
    """The first records, dataclasses or plain values, that fit into one answer; at least one, if there is any."""
    taken: list[Record] = []
    size = 0
    for record in records:
        value: Any = record
        # With every character escaped that could be.
        size += len(json.dumps(asdict(value) if is_dataclass(record) else value))
        if taken and size > limit:
            break
        taken.append(record)
    return taken
