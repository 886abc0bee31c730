"""A reader during every run: all four tables and `pipeline_runs` in one transaction, again and again."""

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import pg8000.native

from campaigns.faults.checker import _SELECTS, RUNS, Snapshot, client, read
from demand_pipeline.builders import TABLES
from local.postgres import PostgresServer

_PAUSE_SECONDS = 0.03
_LOCK = f"LOCK TABLE {', '.join(f'warehouse.{name}' for name in TABLES)} IN ACCESS SHARE MODE"
_ONE_STATEMENT = f"SELECT (SELECT array_agg(run_id) FROM ({RUNS}) AS runs), " + ", ".join(  # noqa: S608 - names of our own
    f"(SELECT json_agg(json_build_array({select.removeprefix('SELECT ').partition(' FROM ')[0]})"  # noqa: S608 - names of our own
    f" ORDER BY {select.partition(' ORDER BY ')[2]}) FROM warehouse.{name})"
    for name, select in _SELECTS.items()
)


class Reader:
    """Reads in one of the ways that are promised to see exactly one run, and keeps each different snapshot."""

    def __init__(self, server: PostgresServer, way: str) -> None:
        self.seen: set[Snapshot] = set()
        self.reads = 0
        self._server, self._way = server, way
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
            # The server may be down, or just going down: then again.
            with suppress(pg8000.native.Error, OSError), client(self._server) as connection:
                while not self._done.is_set():
                    self.seen.add(self._read(connection))
                    self.reads += 1
                    self._done.wait(_PAUSE_SECONDS)
            self._done.wait(_PAUSE_SECONDS)

    def _read(self, connection: pg8000.native.Connection) -> Snapshot:
        if self._way == "one statement":
            [[runs, *tables]] = connection.run(_ONE_STATEMENT)
            rows = (tuple(map(tuple, table or ())) for table in tables)
            return Snapshot(tuple(runs or ()), tuple(zip(TABLES, rows, strict=True)))
        level = "REPEATABLE READ" if self._way.endswith("repeatable read") else "READ COMMITTED"
        connection.run(f"BEGIN ISOLATION LEVEL {level}")
        if self._way.startswith("locks first"):
            connection.run(_LOCK)
        snapshot = read(connection)
        connection.run("COMMIT")
        return snapshot
