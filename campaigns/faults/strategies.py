"""What differs between the load strategies: their statements, what readers may see, and what is counted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from campaigns.faults.reader import WAYS

type RowsByKey = Mapping[Any, Any]


@dataclass(frozen=True)
class Facts:
    """Of one strategy: points of `database` where rows are replaced (`{}` is a table), and ways of reading.

    `untimed` points are outside of the load's transaction, where no SET LOCAL limits a statement.
    """

    points: tuple[str, ...]
    untimed: tuple[str, ...]
    readers: tuple[str, ...]


# A lock of a reader's does not hold up a merge: only a snapshot shows one run in several statements.
_ONE_SNAPSHOT = tuple(way for way in WAYS if way not in ("locks first", "copy"))
STRATEGIES = {
    "truncate": Facts(("truncate", "fill/{}", "index/{}"), (), WAYS),
    "merge": Facts(("key/{}", "delete/{}", "update/{}", "fill/{}"), (), _ONE_SNAPSHOT),
    "swap": Facts(("attach/{}", "detach/{}"), ("build/{}", "build/{}", "vacuum/{}", "drop", "analyze/{}"), WAYS),
}
# Faults of a strategy alone.
ONLY_SWAP = ("postgres build ended", "postgres old snapshot", "overlap rollback")


def may_show[Moment](strategy: str, moments: Sequence[Moment], *, old: bool) -> Sequence[Moment]:
    """Which of the moments since it was taken a snapshot may show, all tables of one of them (docs/reliability.md).

    A lock that it has to wait for may show an old snapshot what was committed meanwhile: whole, and never nothing.
    """
    return moments if old and strategy != "merge" else moments[:1]


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
