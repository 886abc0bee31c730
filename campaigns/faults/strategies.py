"""What differs between the load strategies: their statements, what readers may see, and what is counted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from campaigns.faults.reader import OLD_SNAPSHOT

type RowsByKey = Mapping[Any, Any]


@dataclass(frozen=True)
class Facts:
    """Of one strategy: points of `database` where rows are replaced (`{}` is a table), and ways of reading.

    `untimed` points are outside of the load's transaction, where no SET LOCAL limits a statement.
    """

    points: tuple[str, ...]
    untimed: tuple[str, ...]
    readers: tuple[str, ...]


_WAYS = ("one statement", "locks first", "locks first, repeatable read", OLD_SNAPSHOT)
STRATEGIES = {
    "truncate": Facts(("truncate", "fill/{}", "index/{}"), (), _WAYS),
    # A lock of a reader's does not hold up a merge: only a snapshot shows one run in several statements.
    "merge": Facts(("key/{}", "delete/{}", "update/{}", "fill/{}"), (), (_WAYS[0], *_WAYS[2:])),
    "swap": Facts(("attach/{}", "detach/{}"), ("build/{}", "build/{}", "vacuum/{}", "drop", "analyze/{}"), _WAYS),
}
# Faults of a strategy alone.
ONLY_SWAP = ("postgres build ended", "postgres old snapshot", "overlap rollback")


def may_show(strategy: str, now: RowsByKey, later: Sequence[RowsByKey], *, old: bool) -> list[RowsByKey]:
    """What a snapshot may show of a table that had the rows `now` when it was taken (docs/reliability.md)."""
    if not old or strategy == "merge":
        return [now]
    return [now, {}] if strategy == "truncate" else [now, *later]


def count_changes(strategy: str, old: RowsByKey, new: RowsByKey) -> tuple[int, int, int]:
    """How many rows a load is to insert, update and delete."""
    if strategy != "merge":
        return len(new), 0, len(old)
    changed = [key for key in new.keys() & old.keys() if _row_value(old[key]) != _row_value(new[key])]
    return len(new.keys() - old.keys()), len(changed), len(old.keys() - new.keys())


def _row_value(value: Any) -> str:
    """The same text for rows that PostgreSQL shows the same: 1.0 is not 1.00, but 1E+2 is 100."""

    def shown(part: Any) -> str:
        return f"{part or abs(part):f}" if isinstance(part, Decimal) else repr(part)

    return json.dumps(value, sort_keys=True, default=shown)
