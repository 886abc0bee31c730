"""A statement sees one whole run, even if it waits for a load's locks or has a snapshot from before its commit."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.load import transaction
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.session import open_session
from tests.integration.conftest import EVERY_STRATEGY, IN_ONE_TRANSACTION
from tests.support.runs import Runs, documents, row, run_at
from tests.support.waiting import wait_for
from tests.support.warehouse import Warehouse

_COUNTS = "SELECT (SELECT count(*) FROM warehouse.cases) || ',' || (SELECT count(*) FROM warehouse.audit)"
_OBJECTS = f"""
    CREATE SCHEMA mine;
    CREATE MATERIALIZED VIEW mine.counts AS {_COUNTS} AS counts;
    CREATE FUNCTION mine.count_all() RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN ({_COUNTS}); END $$;
    CREATE FUNCTION mine.count_late() RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_xact_lock(7);
        RETURN ({_COUNTS});
    END $$;
    CREATE TABLE mine.seen (counts text);
"""
_STATEMENTS = {
    "select": _COUNTS,
    "materialized view": "REFRESH MATERIALIZED VIEW mine.counts; SELECT counts FROM mine.counts",
    "prepared": f"PREPARE counting AS {_COUNTS}; EXECUTE counting",
    "stable function": "SELECT mine.count_all()",
    "copy of a query": f"COPY ({_COUNTS.replace("','", '$$,$$')}) TO STDOUT",
    "cursor": f"BEGIN; DECLARE counting CURSOR FOR {_COUNTS}; FETCH ALL FROM counting; COMMIT",
    "insert": f"INSERT INTO mine.seen {_COUNTS} RETURNING counts",
    "create table": f"CREATE TABLE mine.made AS {_COUNTS} AS counts; TABLE mine.made",
    "repeatable read": f"BEGIN ISOLATION LEVEL REPEATABLE READ; {_COUNTS}; COMMIT",
    "serializable": f"BEGIN ISOLATION LEVEL SERIALIZABLE; {_COUNTS}; COMMIT",
}
# A lock that the test holds lets these go on, once the load is committed.
_LATE = {
    "snapshot before": f"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_advisory_xact_lock(7); {_COUNTS}; COMMIT",
    "late in a function": "SELECT mine.count_late()",
}


def fill(runs: Runs, hour: int) -> None:
    """Every table has as many rows as the run's hour."""
    audit = [row("audit", audit_id=f"audit-{number}") for number in range(hour)]
    runs.load(run_at(hour), {"cases": documents(hour), "audit": audit})


class Readers:
    """Statements that run at the same time, each through psql, and what each has answered."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.seen: dict[str, str] = {}
        self._warehouse = warehouse
        self._threads: list[threading.Thread] = []

    def start(self, statements: dict[str, str]) -> None:
        """Start them, and return when each waits for a lock or has its answer."""
        for name, statement in statements.items():
            self._threads.append(threading.Thread(target=self._read, args=(name, statement)))
            self._threads[-1].start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql' AND wait_event_type = 'Lock'"
        wait_for(lambda: len(self.seen) + int(self._warehouse.sql(waiting)) == len(self._threads))

    def finish(self) -> dict[str, str]:
        """Every answer."""
        for thread in self._threads:
            thread.join(60)
        return self.seen

    def _read(self, name: str, statement: str) -> None:
        self.seen[name] = self._warehouse.sql(statement).strip()


def at_the_end(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something when all rows of a run are replaced, right before its commit."""
    comment = transaction.add_comments  # type: ignore[attr-defined]

    def acted(*given: Any) -> None:
        act()
        comment(*given)

    monkeypatch.setattr(transaction, "add_comments", acted)


@EVERY_STRATEGY
def test_a_statement_that_meets_a_load_sees_one_run_whole(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(runs, 1)
    warehouse.sql(_OBJECTS)
    readers = Readers(warehouse)
    with monkeypatch.context() as patch:
        at_the_end(patch, lambda: readers.start(_STATEMENTS))
        fill(runs, 2)
    seen = readers.finish()
    assert set(seen) == set(_STATEMENTS)
    assert set(seen.values()) <= {"1,1", "2,2"}, seen
    assert warehouse.sql("REFRESH MATERIALIZED VIEW mine.counts; SELECT counts FROM mine.counts") == "2,2"


@IN_ONE_TRANSACTION  # PostgreSQL copies partitioned tables by a query only
def test_a_copy_that_meets_a_load_writes_all_rows_of_one_run(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(runs, 3)
    readers = Readers(warehouse)
    with monkeypatch.context() as patch:
        at_the_end(patch, lambda: readers.start({"copy": "COPY warehouse.cases (document_id) TO STDOUT"}))
        fill(runs, 4)
    assert len(readers.finish()["copy"].splitlines()) in (3, 4)


@IN_ONE_TRANSACTION
def test_a_snapshot_from_before_the_commit_sees_one_run_whole(
    runs: Runs, warehouse: Warehouse, strategy: Strategy
) -> None:
    fill(runs, 1)
    warehouse.sql(_OBJECTS)
    readers = Readers(warehouse)
    with open_session(warehouse.settings, "holder", Timeouts()) as holder:
        holder.query("SELECT pg_advisory_lock(7)")
        readers.start(_LATE)
        fill(runs, 2)
    expected = {Strategy.TRUNCATE: "2,2", Strategy.MERGE: "1,1"}[strategy]
    assert readers.finish() == dict.fromkeys(_LATE, expected)


@IN_ONE_TRANSACTION
def test_a_table_with_several_partitions_is_never_seen_empty(runs: Runs, warehouse: Warehouse) -> None:
    fill(runs, 1)
    warehouse.sql(
        "ALTER TABLE warehouse.cases RENAME TO old; CREATE TABLE warehouse.cases (LIKE warehouse.old, PRIMARY KEY "
        "(document_id)) PARTITION BY HASH (document_id); DROP TABLE warehouse.old; ALTER TABLE warehouse.cases OWNER TO "
        "pipeline; CREATE TABLE warehouse.even PARTITION OF warehouse.cases FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE warehouse.odd PARTITION OF warehouse.cases FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
    )
    fill(runs, 5)
    warehouse.sql(_OBJECTS)
    readers = Readers(warehouse)
    with open_session(warehouse.settings, "holder", Timeouts()) as holder:
        holder.query("SELECT pg_advisory_lock(7)")
        readers.start(_LATE)
        fill(runs, 6)
    assert readers.finish() == dict.fromkeys(_LATE, "5,5")  # all of the run's tables are merged
    assert warehouse.count("cases") == 6
