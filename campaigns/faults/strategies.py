"""The differences between the load strategies: their statements, the states that readers may see, and the counts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from campaigns.faults.reader import WAYS

type RowsByKey = Mapping[Any, Any]


@dataclass(frozen=True)
class Facts:
    """Facts about a strategy: the points of `database` where it replaces rows (`{}` is a table), and ways of reading.

    `untimed` points are outside of the load's transaction, where SET LOCAL cannot limit a statement.
    """

    points: tuple[str, ...]
    untimed: tuple[str, ...]
    readers: tuple[str, ...]


# A reader's lock does not block a merge, so several statements show one run only with a common snapshot.
_ONE_SNAPSHOT = tuple(way for way in WAYS if way not in ("locks first", "copy"))
STRATEGIES = {
    "truncate": Facts(("truncate", "fill/{}", "index/{}"), (), WAYS),
    "merge": Facts(("key/{}", "delete/{}", "update/{}", "fill/{}"), (), _ONE_SNAPSHOT),
    "swap": Facts(("attach/{}", "detach/{}"), ("build/{}", "build/{}", "vacuum/{}", "drop", "analyze/{}"), WAYS),
}
# Faults that only `swap` can meet.
ONLY_SWAP = ("postgres build ended", "postgres old snapshot", "overlap rollback")


def may_show[Moment](strategy: str, moments: Sequence[Moment], *, old: bool) -> Sequence[Moment]:
    """Return the moments since a snapshot was taken of which it may show one, in all tables (docs/reliability.md).

    If an old snapshot waited for a lock, it may show a later commit: completely, and never an empty table.
    """
    return moments if old and strategy != "merge" else moments[:1]


def count_changes(strategy: str, old: RowsByKey, new: RowsByKey) -> tuple[int, int, int]:
    """Return the expected numbers of inserted, updated and deleted rows."""
    if strategy != "merge":
        return len(new), 0, len(old)
    changed = [key for key in new.keys() & old.keys() if _row_value(old[key]) != _row_value(new[key])]
    return len(new.keys() - old.keys()), len(changed), len(old.keys() - new.keys())


def _row_value(value: Any) -> str:
    """Return the same text for rows that are identical in PostgreSQL: 1.0 differs from 1.00, but 1E+2 equals 100."""

    def shown(part: Any) -> str:
        return f"{part or abs(part):f}" if isinstance(part, Decimal) else repr(part)

    return json.dumps(value, sort_keys=True, default=shown)
