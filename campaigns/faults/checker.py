"""Reads the warehouse as any client would, and holds it against the reference."""

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pg8000.native

from campaigns.faults.source import Expected
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.event import Run
from demand_pipeline.load.shadows import Shadows
from local.postgres import PostgresServer
from tests.support.staged import python_value

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
    "SELECT run_id, table_name, scanned, staged, rejected, sanitized, loaded, inserted, updated, deleted, "
    "previous_rows "
    "FROM warehouse.pipeline_run_tables"
)
_REJECTS = "SELECT run_id, table_name, reason, item_key::text, item::text FROM warehouse.rejected_items"
_KEYS = """
    SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'p' AND connamespace = 'warehouse'::regnamespace
"""
_LOCKS = """
    SELECT locktype || ' ' || mode || ' ' || coalesce(relation::regclass::text, '') FROM pg_locks
    WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
      AND (locktype = 'advisory' OR relation::regclass::text LIKE 'warehouse.%')
"""
_SESSIONS = "SELECT state || ' ' || query FROM pg_stat_activity WHERE application_name LIKE 'demand-pipeline %'"

_SHADOWS = (
    "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'warehouse_pipeline'::regnamespace"
)


@dataclass(frozen=True)
class Snapshot:
    """What one transaction saw: the committed runs, in their order, and every row of the four tables."""

    runs: tuple[str, ...]
    tables: tuple[tuple[str, Rows], ...]


@dataclass(frozen=True)
class Ran:
    """What a run is to leave behind, table by table; those it did not select stay as they were."""

    tables: Mapping[str, Expected]
    strategy: str


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
                column.name: None if cell is None else python_value(column.type, cell)
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
            loaded, old = len(rows.rows), before[run, name].rows
            changes = (loaded, 0, len(old)) if ran[run].strategy == "truncate" else _differences(old, rows.rows)
            found = (rows.scanned, loaded, len(rows.rejects), rows.sanitized, loaded, *changes, len(old))
            wanted[run, name] = found
    if counts != wanted:
        odd = {key: (counts.get(key), wanted.get(key)) for key in counts.keys() | wanted.keys()}
        wrong.append(f"counts: {[(key, *both) for key, both in odd.items() if both[0] != both[1]][:3]}")
    last = {name: run for run in runs for name in ran[run].tables}
    rejects = [
        (run, name, reason.partition(":")[0], python_value("jsonb", key), python_value("jsonb", item))
        for run, name, reason, key, item in connection.run(_REJECTS)
    ]
    due = [(last[name], name, *reject) for name, rows in state.items() for reject in rows.rejects]
    if sorted(map(_text, rejects)) != sorted(map(_text, due)):
        wrong.append(f"rejected_items: {len(rejects)} found, {len(due)} expected")
    keys = {name: f"PRIMARY KEY ({', '.join([column.name for column in TABLES[name].key])})" for name in state}
    found_keys = {name.removeprefix("warehouse."): key for name, key in connection.run(_KEYS)}
    wrong += [f"{name}: no {key}" for name, key in keys.items() if found_keys.get(name) != key]
    return wrong


def shadows(connection: pg8000.native.Connection) -> list[str]:
    """Shadows and ledgers of runs that are committed."""
    found = [name for [name] in connection.run(_SHADOWS)]
    runs = [
        Run(*row) for row in connection.run("SELECT run_id, execution_arn, started_at FROM warehouse.pipeline_runs")
    ]
    suffixes = tuple(Shadows(None, "warehouse", run).suffix for run in runs)  # type: ignore[arg-type]
    return [name for name in found if name.endswith(suffixes)]


def leftovers(connection: pg8000.native.Connection) -> list[str]:
    """Sessions of the pipeline's, and locks of anybody's."""
    return [text for query in (_SESSIONS, _LOCKS) for [text] in connection.run(query)]


def _fold(runs: Sequence[str], ran: Mapping[str, Ran]) -> tuple[dict[str, Expected], dict[tuple[str, str], Expected]]:
    """What runs leave behind, one after the other, and what each table held before each."""
    state: dict[str, Expected] = {}
    before = {}
    for run in runs:
        for name, rows in ran[run].tables.items():
            before[run, name] = state.get(name, Expected())
            state[name] = rows
    return state, before


def _differences(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> tuple[int, int, int]:
    """How many rows a merge is to insert, update and delete."""
    changed = [key for key in new.keys() & old.keys() if _row_value(old[key]) != _row_value(new[key])]
    return len(new.keys() - old.keys()), len(changed), len(old.keys() - new.keys())


def _row_value(value: Any) -> str:
    """The same text for rows that PostgreSQL shows the same: 1.0 is not 1.00, but 1E+2 is 100."""

    def shown(part: Any) -> str:
        return f"{part or abs(part):f}" if isinstance(part, Decimal) else repr(part)

    return json.dumps(value, sort_keys=True, default=shown)


def _text(value: Any) -> str:
    """The same text for equal values."""
    return json.dumps(value, sort_keys=True, default=lambda number: str(number.normalize()))
