"""Locks that only a table's owner can take; attempts at readers' locks end before PostgreSQL looks for deadlocks."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from unittest.mock import Mock

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import DatabasePrivilegeError, LockTimeoutError
from demand_pipeline.load.warehouse import locks
from demand_pipeline.load.warehouse.control_tables import CONTROL_TABLES
from demand_pipeline.load.warehouse.locks import lock_exclusive
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.statements import qualified
from tests.integration.conftest import MERGE_ALONE, before_placing
from tests.support.queries import QUERIES
from tests.support.roles import analyst
from tests.support.runs import EVERYTHING, Runs, run_at
from tests.support.waiting import wait_for
from tests.support.warehouse import Warehouse

PARTITIONED = """
CREATE TABLE warehouse.t0 (id int) PARTITION BY RANGE (id);
CREATE TABLE warehouse.t0_low PARTITION OF warehouse.t0 FOR VALUES FROM (MINVALUE) TO (0);
CREATE TABLE warehouse.t0_high PARTITION OF warehouse.t0 FOR VALUES FROM (0) TO (MAXVALUE);
"""


@pytest.mark.parametrize(("tables", "relations"), [(1, 3), (4, 6), (20, 22)])
def test_all_locks_of_an_attempt_wait_less_than_deadlock_timeout(
    warehouse: Warehouse, tables: int, relations: int
) -> None:
    plain = "".join(f"CREATE TABLE warehouse.t{number} (id int);" for number in range(1, tables))
    with open_session(warehouse.settings, "run", Timeouts()) as loader:
        for sql in ("CREATE SCHEMA warehouse;" + PARTITIONED + plain).strip().split(";")[:-1]:
            loader.execute(sql)
        loader.execute("BEGIN")
        lock_exclusive(loader, [qualified("warehouse", f"t{number}") for number in range(tables)])
        [[each, limit]] = loader.query(
            "SELECT (SELECT setting::int FROM pg_settings WHERE name = 'lock_timeout'), "
            "(SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout')"
        )
        [[locked]] = loader.query("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted")
    assert locked == relations
    assert 0.5 * limit < relations * each < limit


# A page of it takes autovacuum 0.1 s: with some 500 pages it is at work for a minute.
VACUUMED = """
CREATE TABLE warehouse.vacuumed (text text) WITH (
    autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1
);
INSERT INTO warehouse.vacuumed SELECT repeat('x', 1000) FROM generate_series(1, 3500);
DELETE FROM warehouse.vacuumed;
"""


@pytest.fixture
def frequent_autovacuum(warehouse: Warehouse) -> Iterator[None]:
    def configure(setting: str) -> None:
        warehouse.server.execute(f"ALTER SYSTEM {setting}", admin=True)
        warehouse.server.execute("SELECT pg_reload_conf()", admin=True)

    configure("SET autovacuum_naptime = 1")
    yield
    configure("RESET autovacuum_naptime")


@pytest.mark.usefixtures("frequent_autovacuum")
def test_autovacuum_gives_way(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_ATTEMPTS", 1)
    at_work = "SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'warehouse.vacuumed'::regclass"
    with open_session(warehouse.settings, "writer", Timeouts()) as writer:  # its end tells autovacuum what it wrote
        for sql in ("CREATE SCHEMA warehouse;\n" + VACUUMED.strip()).split(";\n"):
            writer.execute(sql)
    wait_for(lambda: warehouse.sql(at_work) == "1")
    with open_session(warehouse.settings, "run", Timeouts()) as loader:
        loader.execute("BEGIN")
        lock_exclusive(loader, [qualified("warehouse", "vacuumed")])
        assert warehouse.sql(at_work) == "0"


EVERY_MODE = (
    *("ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"),
    *("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"),
)


@MERGE_ALONE
def test_no_lock_that_a_reader_may_take_holds_up_a_load(
    runs: Runs, analysed: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither on a table, nor an advisory one, whose keys are everybody's."""
    runs.load(run_at(1), EVERYTHING)
    found: list[str] = []
    held = "SELECT DISTINCT locktype FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE usename = 'demand_loader'"
    before_placing(monkeypatch, lambda _: found.extend(analysed.sql(held).split()))
    with analyst(analysed) as reader:
        reader.execute("BEGIN")
        for table in [*TABLES, *(table.name for table in CONTROL_TABLES)]:
            for mode in EVERY_MODE:
                reader.execute("SAVEPOINT before")
                try:
                    reader.execute(f"LOCK TABLE warehouse.{table} IN {mode} MODE")
                except DatabasePrivilegeError:
                    reader.execute("ROLLBACK TO SAVEPOINT before")
        assert runs.load(run_at(2), EVERYTHING).committed
    assert "relation" in found
    assert "advisory" not in found
    assert not [name for name, text in QUERIES.items() if "advisory" in text]


def test_an_old_copy_that_moves_is_not_ended(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_FROZEN_SECONDS", 0.1)
    done = Event()

    def blocks() -> Iterator[bytes]:
        while not done.is_set():
            yield b"1\n"
            time.sleep(0.01)

    with (
        open_session(warehouse.settings, "run", Timeouts()) as copier,
        open_session(warehouse.settings, "other", Timeouts()) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        copier.execute("CREATE TABLE public.copied (number int)")
        copying = pool.submit(copier.copy_in, "COPY public.copied FROM STDIN", blocks())
        try:
            wait_for(lambda: other.query(locks.statement("hung_loads"), seconds=0.1))
            assert not locks.acquire_load_lock(other, "warehouse")
        finally:
            done.set()
        assert copying.result() > 0


@pytest.mark.parametrize("strategy", [Strategy.TRUNCATE, Strategy.SWAP])
def test_nobody_queues_behind_a_load_that_waits_for_a_long_report(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(locks, "_ATTEMPTS", 3)
    runs.load(run_at(1))
    attempts = Mock(wraps=locks._try_lock)
    monkeypatch.setattr(locks, "_try_lock", attempts)
    request = runs.request(run_at(2))
    with open_session(warehouse.settings, "report", Timeouts()) as report:
        report.execute("BEGIN")
        report.query("SELECT count(*) FROM warehouse.cases")
        with pytest.raises(LockTimeoutError, match="other sessions held locks during all 3 attempts"):
            runs.carry_out(request)
    target = qualified("warehouse", "cases")
    assert [call for call in attempts.call_args_list if target in call.args[1]] == []
    assert runs.carry_out(request).committed
    assert [call for call in attempts.call_args_list if target in call.args[1]]
