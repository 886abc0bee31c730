"""A reader's longest wait while the table is loaded, for each strategy and for two simple ways."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from typing import Any

import pg8000.native

from benchmarks.environment import Environment, environment
from benchmarks.figures import TIMES, Figure, Size
from benchmarks.loading import CHANGE, TABLE, copy, load, psql, roll_back, stage, swapped, write_csv

_KEYS = 500
_PAUSE_SECONDS = 0.001
_IDLE_SECONDS = 5


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Yield the longest wait for each way and size, and the figures with targets for the largest size."""
    worst: dict[str, float] = {}
    done: dict[str, Any] = {}
    for rows in size.stall_rows:
        progress(f"{rows:,} staged rows")
        with environment(items=rows) as servers:
            for name, (database, do) in _ways(servers).items():
                progress(f"{name}, {rows:,} rows")
                with reading(database) as waits:
                    done[name] = do()
                waits.sort()
                worst[name] = waits[-1]
                note = f"99.9 % of {len(waits):,} queries within {waits[len(waits) * 999 // 1000]:.1f} ms"
                yield Figure(f"stall_{name}_{rows}_ms", worst[name], "ms", note)
                if name == "idle":
                    psql(servers, CHANGE)
    yield Figure("reader_stall_ms", worst["merge"], "ms", f"merge, at {rows:,} rows, 1 % of them changed")
    yield Figure("swap_reader_stall_ms", worst["swap"], "ms", f"at {rows:,} rows")
    note = f"how long it locks readers out; {done['rollback']:.0f} ms from the call to the commit, at {rows:,} rows"
    yield Figure("rollback_ms", worst["rollback"], "ms", note)
    ratio = worst["truncate"] / worst["truncate_first"]
    yield Figure("truncate_stall_vs_truncate_first", ratio, TIMES, f"at {rows:,} rows")


def _ways(servers: Environment) -> dict[str, tuple[Environment, Callable[[], Any]]]:
    """Return the ways, in order, each with its database; before each of them, the table is full."""
    chunks = stage(servers)
    load(servers, chunks, "truncate")
    path = write_csv(servers)
    parents = swapped(servers, chunks)
    ways: dict[str, Callable[[], Any]] = {
        "idle": partial(time.sleep, _IDLE_SECONDS),
        "merge": partial(load, servers, chunks, "merge"),
        "truncate": partial(load, servers, chunks, "truncate"),
        "truncate_first": partial(psql, servers, f"TRUNCATE {TABLE}", copy(path)),
        "delete_insert": partial(psql, servers, f"DELETE FROM {TABLE}", copy(path)),
    }
    of_parents: dict[str, Callable[[], Any]] = {
        "swap": partial(load, parents, chunks, "swap"),
        "rollback": partial(roll_back, parents),
    }
    return {name: (servers, do) for name, do in ways.items()} | {name: (parents, do) for name, do in of_parents.items()}


@contextmanager
def reading(servers: Environment) -> Iterator[list[float]]:
    """Read the table in a thread during the block; yield the list of the queries' milliseconds, in order.

    The block must do its work in other processes, so that the thread never waits for Python's lock.
    """
    server = servers.postgres
    waits: list[float] = []
    ended = threading.Event()

    def read() -> None:
        """Query a row by its key and a count over an index, in turns."""
        for document, case in cycle(keys):
            for query, value in ((by_key, document), (by_case, case)):
                start = time.perf_counter()
                query.run(id=value)
                waits.append(1000 * (time.perf_counter() - start))
                time.sleep(_PAUSE_SECONDS)
            if ended.is_set():
                return

    login = {"host": server.host, "port": server.port, "database": server.database, "password": server.password}
    trusted = ssl.create_default_context(cafile=str(server.ca_path))
    with (
        pg8000.native.Connection(server.user, **login, ssl_context=trusted) as connection,
        ThreadPoolExecutor(1) as pool,
    ):
        keys = connection.run(f"SELECT document_id, case_id FROM {TABLE} ORDER BY hashtext(document_id) LIMIT {_KEYS}")
        by_key = connection.prepare(f"SELECT status, line_items::text FROM {TABLE} WHERE document_id = :id")
        by_case = connection.prepare(f"SELECT count(*) FROM {TABLE} WHERE case_id = :id")
        reader = pool.submit(read)
        try:
            yield waits
        finally:
            ended.set()
        reader.result()
