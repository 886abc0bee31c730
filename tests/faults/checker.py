"""Reads the warehouse as any client would, and holds it against the reference."""

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pg8000.native

from demand_pipeline.builders import TABLES
from local.postgres import PostgresServer
from tests.faults.source import Expected
from tests.unit.staged import python_value

type Rows = tuple[tuple[str | None, ...], ...]

_SELECTS = {
    name: "SELECT "  # noqa: S608 - names of our own
    + ", ".join(f'"{column.name}"::text' for column in table.stored_columns)
    + f" FROM warehouse.{name} ORDER BY "
    + ", ".join(f'"{column.name}"' for column in table.key)
    for name, table in TABLES.items()
}
RUNS = "SELECT run_id FROM warehouse.pipeline_runs ORDER BY committed_at"
_COUNTS = (
    "SELECT run_id, table_name, scanned, staged, rejected, sanitized, loaded, inserted, previous_rows, deleted "
    "FROM warehouse.pipeline_run_tables"
)
_REJECTS = "SELECT run_id, table_name, reason, item_key::text, item::text FROM warehouse.rejected_items"
_LOCKS = """
    SELECT locktype || ' ' || mode || ' ' || coalesce(relation::regclass::text, '') FROM pg_locks
    WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
      AND (locktype = 'advisory' OR relation::regclass::text LIKE 'warehouse.%')
"""
_SESSIONS = "SELECT state || ' ' || query FROM pg_stat_activity WHERE application_name LIKE 'demand-pipeline %'"


@dataclass(frozen=True)
class Snapshot:
    """What one transaction saw: the committed runs, in their order, and every row of the four tables."""

    runs: tuple[str, ...]
    tables: tuple[tuple[str, Rows], ...]


@dataclass(frozen=True)
class Ran:
    """What a run is to leave behind, table by table; those it did not select stay as they were."""

    tables: Mapping[str, Expected]


@contextmanager
def client(server: PostgresServer) -> Iterator[pg8000.native.Connection]:
    """A session of a reader's, which shares no code with the library."""
    context = ssl.create_default_context(cadata=server.ca_pem)
    login = {"password": server.admin_password, "host": server.host, "port": server.port, "database": server.database}
    connection = pg8000.native.Connection(server.admin, **login, ssl_context=context, application_name="reader")
    try:
        yield connection
    finally:
        with suppress(Exception):
            connection.close()


def read(connection: pg8000.native.Connection) -> Snapshot:
    """Everything, in a statement a table."""
    runs = tuple(run for [run] in connection.run(RUNS))
    tables = tuple((name, tuple(map(tuple, connection.run(select)))) for name, select in _SELECTS.items())
    return Snapshot(runs, tables)


def check_snapshot(snapshot: Snapshot, ran: Mapping[str, Ran]) -> list[str]:
    """What is wrong with a snapshot: it must be what its runs, one after the other, leave behind."""
    state, _ = _fold(snapshot.runs, ran)
    wrong = []
    for name, rows in snapshot.tables:
        table = TABLES[name]
        found = {}
        for cells in rows:
            row = {
                column.name: None if cell is None else _value(column.type, cell)
                for column, cell in zip(table.stored_columns, cells, strict=True)
            }
            found[tuple(row[column.name] for column in table.key)] = row
        wanted = state[name].rows if name in state else {}
        if len(rows) != len(found) or found != wanted:
            odd = [key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)]
            wrong.append(f"{name} after {snapshot.runs}: {len(rows)} rows, expected {len(wanted)}; differ: {odd[:3]}")
    return wrong


def check_control(connection: pg8000.native.Connection, ran: Mapping[str, Ran]) -> list[str]:
    """What is wrong with the pipeline's own tables."""
    runs = tuple(run for [run] in connection.run(RUNS))
    state, before = _fold(runs, ran)
    wrong = []
    counts = {(run, table): tuple(numbers) for run, table, *numbers in connection.run(_COUNTS)}
    wanted = {}
    for run in runs:
        for name, rows in ran[run].tables.items():
            loaded, rejected, previous = len(rows.rows), len(rows.rejects), before[run, name]
            found = (rows.scanned, loaded, rejected, rows.sanitized, loaded, loaded, previous, previous)
            wanted[run, name] = found
    if counts != wanted:
        odd = {key: (counts.get(key), wanted.get(key)) for key in counts.keys() | wanted.keys()}
        wrong.append(f"counts: {[(key, *both) for key, both in odd.items() if both[0] != both[1]][:3]}")
    last = {name: run for run in runs for name in ran[run].tables}
    rejects = [
        (run, name, reason.partition(":")[0], _value("jsonb", key), _value("jsonb", item))
        for run, name, reason, key, item in connection.run(_REJECTS)
    ]
    due = [(last[name], name, *reject) for name, rows in state.items() for reject in rows.rejects]
    if sorted(map(_text, rejects)) != sorted(map(_text, due)):
        wrong.append(f"rejected_items: {len(rejects)} found, {len(due)} expected")
    return wrong


def leftovers(connection: pg8000.native.Connection) -> list[str]:
    """Sessions of the pipeline's, and locks of anybody's."""
    return [text for query in (_SESSIONS, _LOCKS) for [text] in connection.run(query)]


def _fold(runs: Sequence[str], ran: Mapping[str, Ran]) -> tuple[dict[str, Expected], dict[tuple[str, str], int]]:
    """What runs leave behind, one after the other, and how many rows each table had before each."""
    state: dict[str, Expected] = {}
    before = {}
    for run in runs:
        for name, rows in ran[run].tables.items():
            before[run, name] = len(state[name].rows) if name in state else 0
            state[name] = rows
    return state, before


def _text(value: Any) -> str:
    """The same text for equal values."""
    return json.dumps(value, sort_keys=True, default=lambda number: str(number.normalize()))


def _value(kind: str, cell: str) -> Any:
    return cell == "true" if kind == "boolean" else python_value(kind, cell)
