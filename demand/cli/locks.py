"""`demand locks`: holders of locks on the warehouse's tables."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.console import one_line
from demand.cli.options import Direct
from demand.cli.output import duration, facts
from demand_pipeline.contracts.operating.locks import LocksAnswer, TableLock
from demand_pipeline.contracts.operating.request import ActionName


@command("locks", examples=["demand locks", "demand locks --json"])
def locks(shell: Shell, direct: Direct = False) -> None:
    """List who holds locks on the warehouse's tables or waits for them, with the statements that end them."""
    found = shell.warehouse(direct=direct).ask(LocksAnswer, ActionName.LOCKS)
    holders: dict[str, list[TableLock]] = {}
    for lock in found.locks:
        holders.setdefault(lock.holder, []).append(lock)
    parts = [part for holder, held in holders.items() for part in _parts(holder, held)]
    shell.output.show(found, *(parts or [Text("no session holds a lock on the warehouse's tables")]))
    if not found.complete:
        shell.output.note("there are more locks than one answer can contain")
    if any(lock.end and lock.age_seconds is None for lock in found.locks):
        shell.output.note("PostgreSQL shows ages only to members of pg_read_all_stats: grant that role to the loader")


def _parts(holder: str, held: Sequence[TableLock]) -> Iterator[RenderableType]:
    first = held[0]
    yield Text(one_line(holder), style="bold")
    rows = [
        ("holds", ", ".join([lock.what for lock in held if lock.is_granted])),
        ("waits for", ", ".join([lock.what for lock in held if not lock.is_granted])),
        ("age", "" if first.age_seconds is None else duration(first.age_seconds)),
        ("end with", first.end or ""),
        ("wait", "" if first.end else "it is a session of the pipeline, or a process of the server"),
    ]
    yield facts([row for row in rows if row[1]])
    yield ""
