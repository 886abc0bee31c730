"""Injects real faults of PostgreSQL: at a statement of the load, from a second connection."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from unittest import mock

import pg8000.native

from campaigns.faults import attempts
from campaigns.faults.faults import Fault, Injector
from campaigns.faults.reader import ROLE, Snapshot, client, read
from campaigns.faults.swap import backend_pid, end_build
from demand_pipeline.builders import TABLES
from demand_pipeline.postgres import network, session
from demand_pipeline.postgres.connection import Connection
from local.postgres import PostgresServer
from local.process import free_port

_TABLES = "|".join(TABLES)
_POINTS = [
    (re.compile(r"BEGIN ISOLATION"), "begin"),
    (re.compile(r'^LOCK TABLE (?:ONLY )?\S*"pipeline_runs"'), "turn"),
    (re.compile(r'^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?\S*"(\w+)_[0-9a-f]{12}"'), "shadow/{}"),
    (re.compile(r'^INSERT INTO \S*"pipeline_ledger_\w+" \(chunk, table_name'), "claim"),
    (re.compile(r'COPY \S*?"(\w+)_[0-9a-f]{12}" \(.*FROM STDIN', re.DOTALL), "copy/{}"),
    (re.compile(r'^UPDATE \S*"pipeline_ledger_'), "complete"),
    (re.compile(r"^LOCK TABLE"), "lock"),
    (re.compile(r"^TRUNCATE"), "truncate"),
    (re.compile(r"^CREATE UNIQUE INDEX (\w+)_pkey"), "index/{}"),
    (re.compile(r'^CREATE UNIQUE INDEX ON \S*"(\w+)_[0-9a-f]{12}"'), "key/{}"),
    (re.compile(rf'^DELETE FROM (?:ONLY )?\S*"({_TABLES})"'), "delete/{}"),  # noqa: S608 - a pattern
    (re.compile(rf'^UPDATE (?:ONLY )?\S*"({_TABLES})"'), "update/{}"),
    (re.compile(rf'^INSERT INTO \S*"({_TABLES})"|^COPY \S*?[."]({_TABLES})"? \(.* FREEZE'), "fill/{}"),
    (re.compile(r'ALTER TABLE \S*"(\w+)_[0-9a-f]{12}" ADD (?:CONSTRAINT|PRIMARY KEY|UNIQUE|EXCLUDE)'), "build/{}"),
    (re.compile(r'CREATE (?:UNIQUE )?INDEX \S* ON \S*"(\w+)_[0-9a-f]{12}"'), "build/{}"),
    (re.compile(r'^VACUUM \(ANALYZE\) \S*"(\w+)_[0-9a-f]{12}"'), "vacuum/{}"),
    (re.compile(rf'^ALTER TABLE \S*"({_TABLES})" DETACH'), "detach/{}"),
    (re.compile(rf'^ALTER TABLE \S*"({_TABLES})" ATTACH'), "attach/{}"),
    (re.compile(rf'^ANALYZE \S*"({_TABLES})";?$'), "analyze/{}"),
    (re.compile(r"^DROP TABLE"), "drop"),
    (re.compile(r'INSERT INTO \S*"?pipeline_runs"?\s'), "record"),
    (re.compile(r'INSERT INTO \S*"?pipeline_run_tables"?\s'), "record table"),
    (re.compile(r"^COMMIT$"), "commit"),
]
_EXCLUSIVE = re.compile(r"^LOCK TABLE .* IN ACCESS EXCLUSIVE MODE", re.DOTALL)
_ATTACH = re.compile(r"^ALTER TABLE \S+ ATTACH PARTITION ")
_EXCLUSIVE_LOCKS = """
    SELECT (SELECT count(*) FROM pg_locks
            WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode = 'AccessExclusiveLock'),
           (SELECT setting::int FROM pg_settings WHERE name = 'lock_timeout'),
           (SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout')
"""


def point_of(sql: str) -> str | None:
    """Return the step of a load that a statement belongs to."""
    for pattern, name in _POINTS:
        if match := pattern.search(sql):
            return name.format(*filter(None, match.groups()))
    return None


@dataclass
class DatabaseFaults:
    """Injects faults into a load's session; `heal` removes their causes, as an operator would."""

    server: PostgresServer
    injector: Injector
    rotate: Callable[[bool], None]
    healers: list[Callable[[], None]] = field(default_factory=list)
    in_the_way: int | None = None  # the process id of the session that holds the lock that a run waits for in vain
    seen: set[Snapshot] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    at_gate: threading.Event = field(default_factory=threading.Event)  # set when a swap checks for old snapshots
    _restarting: threading.Lock = field(default_factory=threading.Lock)

    def heal(self) -> None:
        """Release locks, and finish the rotation of the password."""
        self.in_the_way = None
        while self.healers:
            self.healers.pop()()

    def kill(self, connection: Connection) -> None:
        """End the backend of a load's session."""
        with client(self.server) as admin:
            admin.run("SELECT pg_terminate_backend(:pid, 3000)", pid=backend_pid(connection))

    def restart(self) -> None:
        """Crash the server, and start it again."""
        with self._restarting:
            self.server.restart(immediate=True)

    def hold(self, seconds: float | None, table: str, how: str) -> None:
        """Hold a lock or a snapshot, as a long transaction does; None: until `heal`."""
        opened, go = threading.Event(), threading.Event()
        self.at_gate.clear()
        level = "REPEATABLE READ" if how in ("snapshot", "imported") else "READ COMMITTED"
        lock = {
            "reading": f"SELECT count(*) FROM warehouse.{table}",  # noqa: S608 - names of our own
            "writing": f"LOCK warehouse.{table} IN ROW EXCLUSIVE MODE",
            "keeping": f"LOCK warehouse.{table} IN SHARE MODE",
            "snapshot": "SELECT 1 FROM pg_class LIMIT 1",
            "imported": "SELECT pg_export_snapshot()",
        }[how]

        def holder() -> None:
            role = None if how in ("writing", "keeping") else ROLE
            with suppress(pg8000.native.Error, OSError), ExitStack() as stack:
                session = stack.enter_context(client(self.server, role))
                session.run(f"BEGIN ISOLATION LEVEL {level}")
                [[snapshot]] = session.run(lock) or [[None]]
                if how == "imported":  # the gate has seen the exporting session, and not yet the importing one
                    opened.set()
                    self.at_gate.wait(10)
                    exporter, session = session, stack.enter_context(client(self.server, role))
                    session.run(f"BEGIN ISOLATION LEVEL {level}")
                    session.run(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
                    exporter.run("COMMIT")
                if seconds is None:
                    [[self.in_the_way]] = session.run("SELECT pg_backend_pid()")
                opened.set()
                go.wait(seconds)
                if how in ("snapshot", "imported"):
                    self.seen.add(read(session, old_after=0))
                session.run("COMMIT")
            opened.set()

        thread = threading.Thread(target=holder, daemon=True)
        thread.start()
        opened.wait(10)
        self.healers += [lambda: thread.join(10), go.set]  # the last one first

    def deadlock(self, table: str) -> None:
        """Hold the lock that the load needs next, and wait for the lock that it holds."""
        waiting = threading.Event()

        def other() -> None:
            with suppress(pg8000.native.Error, OSError), client(self.server) as admin:
                admin.run("BEGIN")
                admin.run("LOCK warehouse.pipeline_run_tables IN ACCESS EXCLUSIVE MODE")
                waiting.set()
                admin.run(f"LOCK warehouse.{table} IN ROW EXCLUSIVE MODE")
                admin.run("COMMIT")
            waiting.set()

        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        waiting.wait(10)
        time.sleep(0.1)  # this session checks for a deadlock once, before there is one, so that the load detects it
        self.healers.append(lambda: thread.join(10))


@contextmanager
def faulty_database(faults: DatabaseFaults) -> Iterator[None]:
    """Inject the faults into all sessions of the load."""
    query, copy_in, copy_across = Connection.query, Connection.copy_in, Connection.copy_across
    connect = session.connect  # type: ignore[attr-defined]

    def faulty_query(connection: Connection, sql: str, **parameters: Any) -> Any:
        def work() -> Any:
            run = partial(query, connection)
            watch = next((watch for pattern, watch in _WATCHED.items() if pattern.search(sql)), None)
            return watch(faults, run, sql, **parameters) if watch else run(sql, **parameters)

        return _run(faults, connection, sql, work)

    def faulty_copy(connection: Connection, sql: str, blocks: Iterable[bytes]) -> int:
        _come_by(connection)
        fault = _take(faults, point_of(sql))
        if fault is None:
            return copy_in(connection, sql, blocks)
        if fault.kind == "postgres statement timeout":
            connection._driver.run("SET LOCAL statement_timeout = '20ms'")
        return copy_in(connection, sql, _in_copy(faults, fault, connection, blocks))

    def faulty_across(connection: Connection, sql: str, source: Connection, rows: str) -> Any:
        return _run(faults, connection, sql, lambda: copy_across(connection, sql, source, rows))

    def faulty_connect(settings: Any, *arguments: Any) -> Connection:
        attempts.call()
        fault = _take(faults, "connect")
        if fault and fault.kind == "postgres refused":
            settings = replace(settings, port=free_port())
        elif fault:
            faults.rotate(fault.variant == "secret at once")
        return connect(settings, *arguments)

    with (
        mock.patch.object(Connection, "query", faulty_query),
        mock.patch.object(Connection, "copy_in", faulty_copy),
        mock.patch.object(Connection, "copy_across", faulty_across),
        mock.patch.object(session, "connect", faulty_connect),
    ):
        yield


def _run(faults: DatabaseFaults, connection: Connection, sql: str, work: Callable[[], Any]) -> Any:
    """Run a statement, with the fault that is planned at its point."""
    point = point_of(sql)
    _come_by(connection)
    if point in ("turn", "claim") or sql in ("COMMIT", "ROLLBACK"):
        connection.has_turn = point is not None and point != "commit"  # type: ignore[attr-defined] # others wait for it
    fault = _take(faults, point)
    return work() if fault is None else _at_statement(faults, fault, connection, sql, work)


def _come_by(connection: Connection) -> None:
    holding = getattr(connection, "has_turn", False)
    attempts.call(holding=holding, hang_up=lambda: network.hang_up(connection._sock))


def _take(faults: DatabaseFaults, point: str | None) -> Fault | None:
    if point is None or not attempts.in_task() or attempts.is_late():
        return None
    return faults.injector.take(f"postgres/{point}")


def _lock(faults: DatabaseFaults, query: Callable[[str], Any], sql: str) -> Any:
    """Lock readers out; all locks of an attempt together must wait for less than deadlock_timeout."""
    [[held, each, limit]] = query(_EXCLUSIVE_LOCKS)
    result = query(sql)
    [[locked, *_]] = query(_EXCLUSIVE_LOCKS)
    if each == 0 or each * (locked - held) >= limit:
        faults.problems.append(f"{locked - held} locks of {each} ms each, deadlock_timeout is {limit} ms: {sql}")
    return result


def _attach(faults: DatabaseFaults, query: Callable[[str], Any], sql: str) -> Any:
    """Attach a partition; a missing index would be built while readers are locked out."""
    partition = sql.split()[5]
    count = f"SELECT count(*) FROM pg_index WHERE indrelid = '{partition}'::regclass"  # noqa: S608 - names of our own
    [[before]] = query(count)
    result = query(sql)
    [[after]] = query(count)
    if after != before:
        faults.problems.append(f"{after - before} indexes were built under the readers' lock: {sql}")
    return result


def _look_for_snapshots(faults: DatabaseFaults, query: Callable[..., Any], sql: str, **parameters: Any) -> Any:
    found = query(sql, **parameters)
    faults.at_gate.set()
    return found


_WATCHED = {_EXCLUSIVE: _lock, _ATTACH: _attach, re.compile("backend_xmin"): _look_for_snapshots}


def _at_statement(
    faults: DatabaseFaults, fault: Fault, connection: Connection, sql: str, work: Callable[[], Any]
) -> Any:
    run = connection._driver.run
    match fault.kind, fault.variant:
        case "postgres restarted", _:
            faults.restart()
        case "postgres killed at commit", "race":
            thread = threading.Thread(target=faults.kill, args=(connection,))
            thread.start()
            time.sleep(0.004 * fault.call)
            try:
                return work()
            finally:
                thread.join()
        case _, "after":
            work()
            faults.kill(connection)
            return connection.query("SELECT 'the answer that is lost'")
        case "postgres killed in placing" | "postgres killed at commit" | "postgres killed in copy", _:
            faults.kill(connection)
        case "postgres lock held" | "postgres old snapshot", variant:
            how, *duration, table = variant.split(" ")
            faults.hold(None if "long" in duration else 0.15 * fault.call, table, how)
        case "postgres slow", _:
            time.sleep(0.1 * fault.call)
        case "postgres build ended", variant:
            return end_build(faults.server, connection, variant, sql, work)
        case "postgres deadlock", table:
            faults.deadlock(table)
        case "postgres statement timeout", _:
            run("SET LOCAL statement_timeout = '5ms'")
            connection.query("SELECT pg_sleep(5)")
    return work()


def _in_copy(faults: DatabaseFaults, fault: Fault, connection: Connection, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Inject the fault before the n-th block, or at the end of a shorter COPY."""
    done = False
    for number, block in enumerate(blocks, start=1):
        if number == fault.call:
            _inject_into_copy(faults, fault, connection)
            done = True
        yield block
    if not done:
        _inject_into_copy(faults, fault, connection)


def _inject_into_copy(faults: DatabaseFaults, fault: Fault, connection: Connection) -> None:
    if fault.kind == "postgres restarted":
        faults.restart()
    elif fault.kind == "postgres statement timeout":
        time.sleep(0.06)
    else:
        faults.kill(connection)
