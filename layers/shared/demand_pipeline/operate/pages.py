"""Answers that fit: Lambda returns at most 6 MB."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

ANSWER_BYTES = 5_000_000


def fitting[Record](records: Iterable[Record], limit: int = ANSWER_BYTES) -> list[Record]:
    """The first records, dataclasses, that fit into one answer; at least one, if there is any."""
    taken: list[Record] = []
    size = 0
    for record in records:
        dataclass: Any = record
        size += len(json.dumps(asdict(dataclass)))  # with every character escaped that could be
        if taken and size > limit:
            break
        taken.append(record)
    return taken
