"""`demand estimate`: reads, cost and duration of a run before its start."""

from typing import Annotated

from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.options import table_list, table_names
from demand.cli.output import Column, duration, facts, table
from demand.estimate import Estimate, Limit
from demand.estimate import estimate as estimated

Tables = Annotated[list[str] | None, table_list("Estimate a run of only these tables")]
_WARN, _FULL = 0.8, 1.0
LONG_WAIT = 10  # seconds that a reader waits
_MINUTE = 60  # seconds; shorter runs depend mostly on cold starts


@command("estimate", examples=["demand estimate", "demand estimate --tables cases,audit", "demand estimate --json"])
def estimate(shell: Shell, tables: Tables = None) -> None:
    """Estimate a run: read units, cost, duration, chunks, and the limit it reaches first. Reads no items."""
    found = estimated(shell.stack, table_names(tables))
    numbers = ("items", "MB", "segments", "chunks", "read units", "until staged", "load")
    rows = [
        [
            *(entry.table, entry.items, entry.bytes / 1e6, entry.segments, entry.chunks, entry.read_units),
            *(duration(entry.seconds), duration(entry.load_seconds)),
        ]
        for entry in found.tables
    ]
    columns = [Column("table"), *(Column(name, number=True) for name in numbers)]
    shell.output.show(found, table("", columns, rows), facts(_facts(found)))
    for name in found.unknown:
        shell.output.note(f"{name}: DynamoDB reports no size; it is empty, or younger than six hours")


def _facts(found: Estimate) -> list[tuple[str, object]]:
    services = ", ".join(f"{service} ${dollars:.4f}" for service, dollars in found.dollars.items())
    first, *others = found.limits
    return [
        ("takes", f"about {duration(found.seconds)}" if found.seconds > _MINUTE else "under a minute"),
        ("read units", f"{found.read_units:,.1f}"),
        ("chunks", found.chunks),
        ("cost", f"about ${found.total:.4f}: {services} ({found.prices})"),
        ("disk", f"at most {found.disk_bytes / 1e9:,.1f} GB of PostgreSQL's disk during the load, without WAL"),
        ("strategy", found.strategy),
        ("readers wait", _wait(found.readers_wait_seconds)),
        ("closest limit", _limit(first)),
        *(("", _limit(limit)) for limit in others),
        ("", Text(f"sizes as DynamoDB reports them, up to six hours old; speed of {found.measured}", style="dim")),
    ]


def _wait(seconds: float) -> Text:
    if seconds <= LONG_WAIT:
        return Text(f"at most about {duration(seconds)}" if seconds else "for milliseconds at most")
    return Text(f"up to {duration(seconds)}; with LoadStrategy merge or swap, for milliseconds at most", style="yellow")


def _limit(limit: Limit) -> Text:
    text = f"{limit.name}: {limit.share:.0%}"
    if limit.share > _FULL:
        return Text(f"{text}: such a run fails", style="red")
    return Text(text, style="yellow" if limit.share > _WARN else "")
