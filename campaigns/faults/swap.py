"""Parts of the campaign for swaps only: interrupted index builds, previous rows, and rollbacks."""

import re
import struct
import threading
from collections.abc import Callable, Iterable
from typing import Any

from campaigns.faults.checker import History, check_rejects, decoded
from campaigns.faults.reader import ROLE, client, rows_of
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.errors import LockTimeoutError, PipelineError
from demand_pipeline.postgres import network
from demand_pipeline.postgres.connection import Connection
from local.postgres import PostgresServer
from tests.support.functions import Handler
from tests.support.waiting import wait_for

BUILDS_ENDED = (
    *(f"{how} {when}" for how in ("client gone", "terminated") for when in ("before", "during", "after")),
    "cancelled during",
)
_ROLLBACK_CALLS = 20
_TABLES_HELD = "other sessions held locks"  # only for locks that readers hold: a rollback does not wait for the load lock or for writers
_SHADOW = re.compile(r'"warehouse_pipeline"\."\w+_[0-9a-f]{12}"')
_WAITS = "SELECT pid FROM pg_locks WHERE pid = :pid AND NOT granted"
_EXISTS = "SELECT FROM pg_class WHERE relname = :name AND relnamespace::regnamespace::text = 'warehouse_pipeline'"
_ASTRAY = """
    SELECT count(*) FROM warehouse.rejected_items
    WHERE table_name = ANY (:tables) AND tableoid::regclass::text <> format('warehouse_pipeline.rejects_%s_current', table_name)
"""


def backend_pid(connection: Connection) -> int:
    """Return the process id of a load's session."""
    pid: int
    [pid] = struct.unpack("!i", connection._driver._backend_key_data[:4])
    return pid


def end_build(server: PostgresServer, connection: Connection, variant: str, sql: str, work: Callable[[], Any]) -> Any:
    """Disconnect a build's client, end its session or cancel it: before it, while a lock blocks it, or after it."""
    how, _, when = variant.rpartition(" ")
    pid = backend_pid(connection)

    def end() -> None:
        if how == "client gone":
            network.hang_up(connection._sock)
            return
        with client(server) as admin:
            call = "pg_cancel_backend(:pid)" if how == "cancelled" else "pg_terminate_backend(:pid, 3000)"
            admin.run(f"SELECT {call}", pid=pid)

    if when == "during":
        return _during(server, pid, sql, work, end)
    if when == "after":
        work()
    end()
    return work() if when == "before" else connection.query("SELECT 'the answer that is lost'")


def _during(server: PostgresServer, pid: int, sql: str, work: Callable[[], Any], end: Callable[[], None]) -> Any:
    shadow = _SHADOW.search(sql)
    assert shadow, sql
    with client(server) as holder:
        holder.run("BEGIN")
        holder.run(f"LOCK TABLE {shadow[0]} IN ROW EXCLUSIVE MODE")

        def strike() -> None:
            wait_for(lambda: holder.run(_WAITS, pid=pid))
            end()
            holder.run("COMMIT")

        thread = threading.Thread(target=strike)
        thread.start()
        try:
            return work()
        finally:
            thread.join()


def roll_back(handler: Handler) -> str:
    """Roll the last run back as an operator would; return the run, or the error's name and message.

    Readers may block all of the campaign's few and short attempts to lock the tables: then the rollback is repeated.
    """
    arguments = {"run": None, "by": "operator", "reason": "the campaign"}
    error = ""
    for _ in range(_ROLLBACK_CALLS):
        try:
            return str(handler({"contract": CONTRACT, "action": "rollback", "arguments": arguments}, None)["run"])
        except PipelineError as raised:
            error = f"{type(raised).__name__}: {raised}"
            if not isinstance(raised, LockTimeoutError) or _TABLES_HELD not in error:
                break
    return error


def check_previous(server: PostgresServer, history: History, *, kept: bool) -> list[str]:
    """Return the problems of the rows before the last swaps, read as a reader of the tables."""
    wrong = []
    with client(server, ROLE) as reader:
        for name in TABLES:
            previous = f"warehouse_pipeline.{name}_previous"
            exists = bool(reader.run(_EXISTS, name=f"{name}_previous"))
            wanted = history.previous.get(name) if kept else None
            if exists != (wanted is not None):
                wrong.append(f"{previous}: {'kept' if exists else 'missing'}")
            elif wanted:
                wrong += check_rejects(reader, f"warehouse_pipeline.rejects_{name}_previous", {name: wanted})
                if decoded(name, rows_of(reader, name, previous)) != wanted[1].rows:
                    wrong.append(f"{previous}: the rows are not the rows of {wanted[0]}")
    return wrong


def check_partitions(server: PostgresServer, tables: Iterable[str]) -> list[str]:
    """Return the problems of the partitions of rejected items that a swap has loaded."""
    with client(server, ROLE) as reader:
        [[astray]] = reader.run(_ASTRAY, tables=list(tables))
    return [f"{astray} rejected items are not in their table's partition"] if astray else []
