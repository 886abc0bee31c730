"""Names the sessions and prepared transactions that hold the locks for which a load waited too long.

Only the first word of a session's statement is shown: the rest may quote an item.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from demand_pipeline.contracts.operating.locks import TableLock
from demand_pipeline.errors import LockTimeoutError, PipelineError
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, listed

statement = Statements(__package__)

_SHOWN = 3

# Names of pg_locks, the weakest first. Each mode that a load takes conflicts with all modes from a certain one on.
EVERY_MODE = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
OF_ROWS, OF_WRITERS, OF_LOADS = EVERY_MODE[1:], EVERY_MODE[2:], EVERY_MODE[3:]


def name_sessions(connection: Connection, pids: Iterable[int]) -> str:
    """Sessions in one line, with the statements that end them; empty if they have ended."""
    return _in_one_line([(text, end) for text, end, _ in _describe_sessions(connection, pids).values()])


def find_locks(
    connection: Connection, modes: Sequence[str], tables: Sequence[Sql] = (), schemas: Sequence[str] = ()
) -> list[TableLock]:
    """Every lock in these modes on tables, or on all tables of schemas: granted ones first, then the oldest first."""
    _forget_activity(connection)
    found = connection.query(
        statement("lock_holders"), relations=list(tables), schemas=list(schemas), modes=list(modes)
    )
    sessions = _describe_sessions(connection, [pid for pid, *_ in found if pid])
    locks = []
    for pid, table, mode, granted, age, *prepared in found:
        holder, end, is_own = sessions.get(pid, (*prepared, False))
        if holder:
            words = re.findall("[A-Z][a-z]+", mode.removesuffix("Lock"))
            locks.append(TableLock(table, " ".join(words).upper(), granted, pid, holder, age, end, is_own))
    return locks


def name_holders(
    connection: Connection, modes: Sequence[str], tables: Sequence[Sql] = (), schemas: Sequence[str] = ()
) -> str:
    """Everybody who holds or waits for locks in these modes, on tables or on all tables of schemas, in one line."""
    first: dict[str, TableLock] = {}
    for lock in find_locks(connection, modes, tables, schemas):
        first.setdefault(lock.holder, lock)
    return _in_one_line([(f"{lock.holder} on {lock.table}", lock.end) for lock in first.values()])


def held(connection: Connection, waited_for: str, modes: Sequence[str], tables: Sequence[Sql]) -> LockTimeoutError:
    """Return the error for locks on tables that were not granted; the session's transaction must not have failed."""
    holders = name_holders(connection, modes, tables)
    error = LockTimeoutError(f"{listed(tables)}: {waited_for}; held by {holders or 'sessions that have ended since'}")
    error.names_holders = True
    return error


@contextmanager
def holders_named(connection: Connection, *schemas: str) -> Iterator[None]:
    """Add the holders to a LockTimeoutError that does not name them yet, after a rollback.

    The statement may have waited for a row, and no view shows locks of rows. So this names all sessions that may have
    locked rows.
    """
    try:
        yield
    except LockTimeoutError as error:
        holders = ""
        if not error.names_holders:
            with suppress(PipelineError):
                connection.execute("ROLLBACK")
                holders = name_holders(connection, OF_ROWS, schemas=schemas)
        if not holders:
            raise
        raise LockTimeoutError(f"{error}; locks are held by {holders}") from error


def _describe_sessions(connection: Connection, pids: Iterable[int]) -> dict[int, tuple[str, str | None, bool]]:
    """By process id: a description, the statement that ends the session, and whether it is the pipeline's own."""
    _forget_activity(connection)
    found = connection.query(statement("describe_sessions"), pids=list(pids))
    return {pid: (text, end, is_own) for pid, text, end, is_own in found}


def _forget_activity(connection: Connection) -> None:
    connection.query(statement("forget_activity"))


def _in_one_line(holders: Sequence[tuple[str, str | None]]) -> str:
    first = sorted(holders, key=lambda holder: holder[1] is None)[:_SHOWN]
    shown = [" ".join(holder.split()) for holder, _ in first]
    if len(holders) > _SHOWN:
        shown.append(f"{len(holders) - _SHOWN} more")
    cures = [cure for _, cure in first if cure]
    return ", ".join(shown) + (f"; end with {' '.join(cures)}" if cures else "")
