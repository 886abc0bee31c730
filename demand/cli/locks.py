"""`demand locks`: who holds what on the warehouse's tables."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.options import Direct
from demand.cli.output import Column, duration, table
from demand_pipeline.contracts.operating.locks import LocksAnswer, TableLock
from demand_pipeline.contracts.operating.request import ActionName


@command("locks", examples=["demand locks", "demand locks --json"])
def locks(shell: Shell, direct: Direct = False) -> None:
    """List who holds locks on the warehouse's tables or waits for them, with the statements that end them."""
    found = shell.warehouse(direct=direct).ask(LocksAnswer, ActionName.LOCKS)
    shell.output.show(found, *_parts(found))
    if any(lock.end and lock.age_seconds is None for lock in found.locks):
        shell.output.note("PostgreSQL shows ages only to members of pg_read_all_stats: grant it to the loader's role")


def describe(lock: TableLock) -> str:
    """A lock and its holder in words."""
    age = f" for {duration(lock.age_seconds)}" if lock.age_seconds is not None else ""
    return f"{lock.mode} on {lock.table}{age}: {lock.holder}"


def _parts(found: LocksAnswer) -> Iterator[RenderableType]:
    if not found.locks:
        yield Text("nobody holds a lock on the warehouse's tables")
        return
    rows = [
        [lock.table, lock.mode, "held" if lock.is_granted else "waits", duration(lock.age_seconds), lock.holder]
        for lock in found.locks
    ]
    columns = [
        Column("table"),
        Column("mode"),
        Column("state", whole=True),
        Column("age", number=True),
        Column("holder"),
    ]
    yield table("" if found.complete else "some of the locks", columns, rows)
    if ends := dict.fromkeys(lock.end for lock in found.locks if lock.end):
        yield Text("to end a holder, as its own role, a member of pg_signal_backend, or the owner of the transaction:")
        yield from (Text(end) for end in ends)
