"""Compares the rows that clients read in the warehouse with the reference."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pg8000.native

from campaigns.faults.others import NOT_OURS
from campaigns.faults.reader import Snapshot
from campaigns.faults.source import Expected
from campaigns.faults.strategies import count_changes, may_show
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.event import Run
from demand_pipeline.load.copy.shadows import Shadows
from tests.support.staged import python_value

_EVENTS = """
    SELECT committed_at, run_id, false FROM warehouse.pipeline_runs
    UNION ALL SELECT rolled_back_at, run_id, true FROM warehouse.pipeline_runs WHERE status = 'rolled back'
    ORDER BY 1
"""
_COUNTS = (
    "SELECT run_id, table_name, scanned, staged, rejected, sanitized, loaded, inserted, updated, deleted, "
    "previous_rows "
    "FROM warehouse.pipeline_run_tables"
)
_REJECTS = "SELECT run_id, table_name, reason, item_key::text, item::text FROM {}"
# All properties of a table except for its OID, rows and partitions; definitions of a parent contain ONLY.
_SHAPE = """
    SELECT relname || ' ' || coalesce(relacl::text, '') FROM pg_class
    WHERE relkind IN ('r', 'p') AND relnamespace = 'warehouse'::regnamespace
    UNION ALL
    SELECT attrelid::regclass || ' ' || attname || ' ' || attnum || ' ' || atttypid::regtype || ' ' || attnotnull
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relkind IN ('r', 'p') AND relnamespace = 'warehouse'::regnamespace AND attnum > 0
    UNION ALL
    SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'warehouse'::regnamespace AND contype <> 'n'
    UNION ALL
    SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index
    JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace = 'warehouse'::regnamespace AND indisvalid
"""
_LOCKS = """
    SELECT locktype || ' ' || mode || ' ' || coalesce(relation::regclass::text, '') FROM pg_locks
    WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
      AND (locktype = 'advisory' OR relation::regclass::text LIKE 'warehouse%')
"""
_SESSIONS = "SELECT state || ' ' || query FROM pg_stat_activity WHERE application_name LIKE 'demand-pipeline %'"
_SHADOWS = (
    "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'warehouse_pipeline'::regnamespace"
)


@dataclass(frozen=True)
class Ran:
    """The expected contents after a run, by table; tables that it did not select stay unchanged."""

    tables: Mapping[str, Expected]
    strategy: str


type State = dict[str, tuple[str, Expected]]  # for each table: the run that loaded its rows, and the rows


@dataclass
class History:
    """The expected states of the warehouse after each commit and rollback."""

    moments: list[tuple[tuple[str, ...], State]] = field(default_factory=lambda: [((), {})])
    before: dict[tuple[str, str], tuple[str, Expected]] = field(default_factory=dict)  # by run and table
    previous: State = field(default_factory=dict)  # the rows that a swap keeps
    rolled_back: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, connection: pg8000.native.Connection, ran: Mapping[str, Ran]) -> "History":
        """Derive the states from `pipeline_runs`."""
        history, runs, state = cls(), list[str](), dict[str, tuple[str, Expected]]()
        for _, run, is_rollback in connection.run(_EVENTS):
            for name, rows in ran[run].tables.items():
                if is_rollback:
                    state[name], history.previous[name] = history.before[run, name], state[name]
                else:
                    if name in state:
                        history.previous[name] = state[name]
                    history.before[run, name] = state.get(name, ("", Expected()))
                    state[name] = (run, rows)
            if is_rollback:
                runs.remove(run)
                history.rolled_back.append(run)
            else:
                runs.append(run)
            history.moments.append((tuple(runs), dict(state)))
        return history


def check_snapshot(snapshot: Snapshot, history: History, strategy: str) -> list[str]:
    """Return the problems of a snapshot: it must be the result of its runs, one after the other."""
    index = next((i for i, (runs, _) in enumerate(history.moments) if runs == snapshot.runs), None)
    if index is None:
        return [f"a reader saw the runs {snapshot.runs}, which were never committed together"]
    tables = {name: [row for row in rows if row[-1] != NOT_OURS] for name, rows in snapshot.tables}
    found = {name: decoded(name, rows) for name, rows in tables.items()}
    moments = may_show(strategy, [state for _, state in history.moments[index:]], old=snapshot.old)
    differing = [
        {name for name, rows in found.items() if rows != _rows(moment, name) or len(rows) != len(tables[name])}
        for moment in moments
    ]
    return [
        f"{name} after {snapshot.runs}: {len(tables[name])} rows, expected the rows of one of {len(moments)} moments, "
        f"the first of which has {len(_rows(moments[0], name))}; differ: {_odd(found[name], _rows(moments[0], name))}"
        for name in sorted(min(differing, key=lambda names: len(list(names))))
    ]


def _rows(state: State, name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    return state[name][1].rows if name in state else {}


def _odd(found: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> list[Any]:
    return [key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)][:3]


def decoded(name: str, rows: Iterable[tuple[str | None, ...]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return a table's rows by key, as values of the reference."""
    table, found = TABLES[name], {}
    for cells in rows:
        row = {
            column.name: None if cell is None else python_value(column.type, cell)
            for column, cell in zip(table.stored_columns, cells, strict=True)
        }
        found[tuple(row[column.name] for column in table.key)] = row
    return found


def check_control(connection: pg8000.native.Connection, history: History, ran: Mapping[str, Ran]) -> list[str]:
    """Return the problems of the pipeline's control tables."""
    wrong = []
    counts = {(run, table): tuple(numbers) for run, table, *numbers in connection.run(_COUNTS)}
    wanted = {}
    for (run, name), (_, before) in history.before.items():
        rows, old = ran[run].tables[name], before.rows
        loaded, changes = len(rows.rows), count_changes(ran[run].strategy, old, rows.rows)
        wanted[run, name] = (rows.scanned, loaded, len(rows.rejects), rows.sanitized, loaded, *changes, len(old))
    if counts != wanted:
        odd = {key: (counts.get(key), wanted.get(key)) for key in counts.keys() | wanted.keys()}
        wrong.append(f"counts: {[(key, *both) for key, both in odd.items() if both[0] != both[1]][:3]}")
    return wrong + check_rejects(connection, "warehouse.rejected_items", history.moments[-1][1])


def check_rejects(connection: pg8000.native.Connection, relation: str, state: State) -> list[str]:
    """Return the problems of the rejected items in a relation, which must be the rejects of these tables."""
    found = [
        (run, name, reason.partition(":")[0], python_value("jsonb", key), python_value("jsonb", item))
        for run, name, reason, key, item in connection.run(_REJECTS.format(relation))
    ]
    due = [(run, name, *reject) for name, (run, rows) in state.items() for reject in rows.rejects]
    if sorted(map(_text, found)) == sorted(map(_text, due)):
        return []
    return [f"{relation}: found {len(found)} rejected items, expected {len(due)}, or they differ"]


def shape(connection: pg8000.native.Connection) -> set[str]:
    """Return the tables' columns, keys, constraints, indexes and grants."""
    return {text for [text] in connection.run(_SHAPE)}


def shadows(connection: pg8000.native.Connection) -> list[str]:
    """Return the shadows and ledgers of committed runs."""
    found = [name for [name] in connection.run(_SHADOWS)]
    runs = [
        Run(*row) for row in connection.run("SELECT run_id, execution_arn, started_at FROM warehouse.pipeline_runs")
    ]
    suffixes = tuple(Shadows(None, "warehouse", run).suffix for run in runs)  # type: ignore[arg-type]
    return [name for name in found if name.endswith(suffixes)]


def leftovers(connection: pg8000.native.Connection) -> list[str]:
    """Return the pipeline's sessions, and all locks."""
    return [text for query in (_SESSIONS, _LOCKS) for [text] in connection.run(query)]


def _text(value: Any) -> str:
    """Return the same text for equal values."""
    return json.dumps(value, sort_keys=True, default=lambda number: str(number.normalize()))
