"""Converts a run's rejects again, with the declarations of this checkout."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from demand.rejects.stored import StoredReject
from demand_pipeline.builders import TABLES
from demand_pipeline.transform.reason import Reason


@dataclass(frozen=True)
class StillRejected:
    """Items of a table with the same reason, apart from the value found; one sample is complete."""

    reason: str
    items: int
    sample: str


@dataclass(frozen=True)
class TableReplay:
    """A table's rejects: their number, and the number that would now become rows."""

    table: str
    rejects: int
    passing: int
    still: tuple[StillRejected, ...]


@dataclass(frozen=True)
class Replay:
    """All tables with rejects."""

    run: str
    tables: tuple[TableReplay, ...]


def replay(run: str, rejects: Iterable[StoredReject]) -> Replay:
    """Convert every reject as a transform would today. Nothing is written, here or in the warehouse."""
    from demand_pipeline.transform.rows import RejectError, RowMaker  # noqa: PLC0415 - slow, rarely needed

    makers = {name: RowMaker(table) for name, table in TABLES.items()}
    totals: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = {}
    samples: dict[tuple[str, str], str] = {}
    for reject in rejects:
        totals[reject.table] += 1
        found = reasons.setdefault(reject.table, Counter())
        maker = makers.get(reject.table)
        if maker is None:
            reason = Reason.of("table", f"one of {', '.join(TABLES)}", reject.table)
        else:
            try:
                maker.make(reject.item)
                continue
            except RejectError as error:
                reason = error.reason
        found[reason.kind] += 1
        samples.setdefault((reject.table, reason.kind), str(reason))
    tables = [
        TableReplay(
            table=name,
            rejects=total,
            passing=total - reasons[name].total(),
            still=tuple(StillRejected(kind, items, samples[name, kind]) for kind, items in reasons[name].most_common()),
        )
        for name, total in sorted(totals.items())
    ]
    return Replay(run, tuple(tables))
