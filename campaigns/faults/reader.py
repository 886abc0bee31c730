"""Readers during every run: they repeatedly read all four tables and `pipeline_runs`, as a read-only role."""

import csv
import io
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Self

import pg8000.native

from demand_pipeline.builders import TABLES
from local.postgres import PostgresServer

type Rows = tuple[tuple[str | None, ...], ...]

ROLE = "reader"
SCHEMA = "mine"  # of the reader's own objects
RUNS = "SELECT run_id FROM warehouse.pipeline_runs WHERE status = 'committed' ORDER BY committed_at"
_COLUMNS = {name: [f'"{column.name}"::text' for column in table.stored_columns] for name, table in TABLES.items()}
_KEYS = {name: ", ".join(f'"{column.name}"' for column in table.key) for name, table in TABLES.items()}
_LOCK = f"LOCK TABLE {', '.join(f'warehouse.{name}' for name in TABLES)} IN ACCESS SHARE MODE"
EVERYTHING = f"SELECT (SELECT array_agg(run_id) FROM ({RUNS}) AS runs) AS runs, " + ", ".join(  # noqa: S608 - names of our own
    f"(SELECT json_agg(json_build_array({', '.join(_COLUMNS[name])}) ORDER BY {_KEYS[name]}) FROM warehouse.{name})"  # noqa: S608 - names of our own
    f" AS {name}"
    for name in TABLES
)
# A STABLE function of plpgsql reads everything with the snapshot of the statement that calls it.
_FUNCTION = f"""
    CREATE OR REPLACE FUNCTION {SCHEMA}.everything(seconds float8)
    RETURNS TABLE (runs text[], {", ".join(f"{name} json" for name in TABLES)}) STABLE LANGUAGE plpgsql
    AS $$ #variable_conflict use_column
    BEGIN PERFORM pg_sleep(seconds); RETURN QUERY {EVERYTHING}; END $$
"""
# Statements that read everything at once, after a session's first statement; {} is the age of the snapshot in seconds.
_AT_ONCE = {
    "one statement": ("SELECT", EVERYTHING),
    "execute": (f"PREPARE everything AS {EVERYTHING}", "EXECUTE everything"),
    "stable function": (_FUNCTION, "SELECT * FROM mine.everything({})"),
    "materialized view": ("SELECT", "REFRESH MATERIALIZED VIEW mine.everything", "TABLE mine.everything"),
}
# Transactions that read the tables one by one.
_ONE_BY_ONE = ("locks first", "locks first, repeatable read", "copy", "copy, repeatable read", "old snapshot")
WAYS = (*_AT_ONCE, *_ONE_BY_ONE)
_PAUSE_SECONDS = 0.03
_SNAPSHOT_SECONDS = (0, 0.02, 0.1, 0.3)  # age of a snapshot when the tables are read


@dataclass(frozen=True)
class Snapshot:
    """The data that one transaction saw: the committed runs, in order, and every row of the four tables.

    `old`: the transaction took its snapshot, or read the runs, before it locked the tables.
    """

    runs: tuple[str, ...]
    tables: tuple[tuple[str, Rows], ...]
    old: bool = False


@contextmanager
def client(server: PostgresServer, role: str | None = None) -> Iterator[pg8000.native.Connection]:
    """Open a session without the library's code: as the superuser, or as a role whose password is its name."""
    context = ssl.create_default_context(cadata=server.ca_pem)
    password = role or server.admin_password
    login = {"password": password, "host": server.host, "port": server.port, "database": server.database}
    connection = pg8000.native.Connection(role or server.admin, **login, ssl_context=context, application_name="reader")
    try:
        yield connection
    finally:
        with suppress(Exception):
            connection.close()


def rows_of(connection: pg8000.native.Connection, name: str, relation: str | None = None) -> Rows:
    """Return the rows of a table, or of another relation with the same columns, as text."""
    return tuple(map(tuple, connection.run(_select(name, relation))))


def _select(name: str, relation: str | None = None) -> str:
    return f"SELECT {', '.join(_COLUMNS[name])} FROM {relation or f'warehouse.{name}'} ORDER BY {_KEYS[name]}"  # noqa: S608 - names of our own


def _copy(connection: pg8000.native.Connection, name: str) -> Rows:
    """Read a table's rows with COPY, as a query, since COPY cannot read a partitioned table directly."""
    stream = io.StringIO()
    connection.run(f"COPY ({_select(name)}) TO STDOUT (FORMAT csv)", stream=stream)
    stream.seek(0)
    return tuple(map(tuple, csv.reader(stream, quoting=csv.QUOTE_NOTNULL)))


def read(
    connection: pg8000.native.Connection,
    *,
    old_after: float | None = None,
    rows: Callable[[pg8000.native.Connection, str], Rows] = rows_of,
) -> Snapshot:
    """Read everything, with one statement per table; the tables `old_after` seconds after the runs."""
    runs = tuple(run for [run] in connection.run(RUNS))
    if old_after:
        threading.Event().wait(old_after)
    return Snapshot(runs, tuple((name, rows(connection, name)) for name in TABLES), old_after is not None)


class Reader:
    """Reads in one of `WAYS`, whose visible states are known, and collects the different snapshots."""

    def __init__(self, server: PostgresServer, way: str) -> None:
        self.seen: set[Snapshot] = set()
        self.reads = 0
        self._server, self._way, self._random = server, way, Random(way)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(30)

    def _read_on(self) -> None:
        while not self._done.is_set():
            # The server may be down, or shutting down: then the reader tries again.
            with suppress(pg8000.native.Error, OSError), client(self._server, ROLE) as connection:
                connection.run(_AT_ONCE.get(self._way, ("SELECT", ""))[0])
                while not self._done.is_set():
                    self.seen.add(self._read(connection))
                    self.reads += 1
                    self._done.wait(_PAUSE_SECONDS)
            self._done.wait(_PAUSE_SECONDS)

    def _read(self, connection: pg8000.native.Connection) -> Snapshot:
        waits = self._random.choice(_SNAPSHOT_SECONDS)
        if self._way in _AT_ONCE:
            for statement in _AT_ONCE[self._way][1:]:
                rows = connection.run(statement.format(waits))
            [[runs, *tables]] = rows
            shown = (tuple(map(tuple, table or ())) for table in tables)
            is_old = self._way != "one statement"
            return Snapshot(tuple(runs or ()), tuple(zip(TABLES, shown, strict=True)), is_old)
        levels = (
            ("REPEATABLE READ", "SERIALIZABLE") if self._way.endswith(("read", "snapshot")) else ("READ COMMITTED",)
        )
        connection.run(f"BEGIN ISOLATION LEVEL {self._random.choice(levels)}")
        locks = self._way.startswith("locks first")
        if locks:
            connection.run(_LOCK)
        rows_by = _copy if self._way.startswith("copy") else rows_of
        snapshot = read(connection, old_after=None if locks else waits, rows=rows_by)
        connection.run("COMMIT")
        return snapshot
