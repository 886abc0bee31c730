"""Readers and other loads during a load."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from demand_pipeline.errors import LockTimeoutError, PipelineError, RunNameTakenError, StaleRunError, TransientError
from demand_pipeline.load import transaction
from demand_pipeline.load.copy import shadows
from demand_pipeline.load.warehouse import locks
from demand_pipeline.load.warehouse.control_tables import find_result
from demand_pipeline.load.warehouse.schema import ensure_schema
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from tests.integration.conftest import TRUNCATE_ALONE, before_placing
from tests.support.runs import Runs, documents, row, run_at
from tests.support.waiting import wait_for
from tests.support.warehouse import Warehouse


def of_hour(hour: int, count: int = 200) -> dict[str, Any]:
    """Two tables whose every row tells its run."""
    audit = [row("audit", audit_id=f"{number}", action=str(hour)) for number in range(count)]
    return {"cases": documents(count, status=str(hour)), "audit": audit}


@contextmanager
def session(warehouse: Warehouse, **timeouts: float) -> Iterator[Connection]:
    with open_session(warehouse.settings, "reader", Timeouts(**timeouts)) as connection:
        yield connection


def test_a_reader_sees_one_run_and_never_a_mix(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(0), of_hour(0))
    done = threading.Event()
    seen: list[tuple[Any, ...]] = []
    question = """
        SELECT (SELECT string_agg(DISTINCT status, ',') || count(*) FROM warehouse.cases),
               (SELECT string_agg(DISTINCT action, ',') || count(*) FROM warehouse.audit),
               (SELECT max(run_id) FROM warehouse.pipeline_runs)
    """

    def read() -> None:
        with session(warehouse) as connection:
            while not done.is_set():
                seen.append(tuple(connection.query(question)[0]))

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        for hour in range(1, 6):
            runs.load(run_at(hour), of_hour(hour))
        done.set()
        reader.result()
    assert set(seen) <= {(f"{hour}200", f"{hour}200", f"run-{hour}") for hour in range(6)}
    assert len(set(seen)) > 1


@TRUNCATE_ALONE
def test_a_reader_that_holds_a_table_makes_the_load_give_up_and_others_read_on(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1), of_hour(1))
    monkeypatch.setattr(locks, "_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(locks, "_ATTEMPTS", 4)
    done, reads = threading.Event(), 0

    def read() -> None:
        nonlocal reads
        with session(warehouse, lock=1.0) as other:  # nobody waits for long
            while not done.is_set():
                other.query("SELECT count(*) FROM warehouse.cases")
                reads += 1

    with session(warehouse) as reader, ThreadPoolExecutor(1) as pool:
        others = pool.submit(read)
        reader.execute("BEGIN")
        reader.query("SELECT count(*) FROM warehouse.audit")
        try:
            expected = r'"warehouse"."cases", "warehouse"."audit": other sessions held locks during all 4 attempts'
            with pytest.raises(LockTimeoutError, match=expected):
                runs.load(run_at(2), of_hour(2))
        finally:
            done.set()
        assert reader.query("SELECT DISTINCT status FROM warehouse.cases") == [["1"]]
        others.result()
    assert reads > 0
    warehouse.wait_until_closed()


@TRUNCATE_ALONE
def test_a_load_goes_on_when_the_reader_has_gone(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1), of_hour(1))
    with session(warehouse) as reader:
        reader.execute("BEGIN")
        reader.query("SELECT count(*) FROM warehouse.cases")
        monkeypatch.setattr(
            locks, "time", SimpleNamespace(sleep=lambda _: reader.execute("COMMIT"), monotonic=time.monotonic)
        )
        assert runs.load(run_at(2), of_hour(2)).committed


@pytest.mark.parametrize(("earlier", "refused"), [(1, StaleRunError), (0, TransientError)])
def test_of_two_loads_at_the_same_time_the_second_finds_what_the_first_has_committed(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, earlier: int, refused: type[PipelineError]
) -> None:
    """Also if they are the very first ones, which have no table yet whose lock they could take."""
    for hour in range(earlier):
        runs.load(run_at(hour), of_hour(hour))
    loading, go_on = threading.Event(), threading.Event()

    def wait(_: Any) -> None:
        loading.set()
        go_on.wait(10)

    before_placing(monkeypatch, wait)
    with ThreadPoolExecutor(2) as pool:
        newer = pool.submit(runs.load, run_at(3), of_hour(3))
        loading.wait(10)
        older = pool.submit(runs.load, run_at(2), of_hour(2))
        wait_for_lock(warehouse)
        go_on.set()
        assert newer.result().committed
        with pytest.raises(refused):
            older.result()
    with pytest.raises(StaleRunError):
        runs.load(run_at(2), of_hour(2))
    assert warehouse.sql("SELECT DISTINCT status FROM warehouse.cases") == "3"
    warehouse.wait_until_closed()


def test_a_load_locks_tables_that_another_has_created_after_its_first_look(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[int] = []

    def look(connection: Connection, *arguments: Any) -> Any:
        held = "pid = pg_backend_pid() AND relation = 'warehouse.pipeline_runs'::regclass"
        modes = connection.query(f"SELECT FROM pg_locks WHERE mode = 'ShareUpdateExclusiveLock' AND {held}")
        locked.append(len(modes))
        return find_result(connection, *arguments)

    def load_first(connection: Connection, schema: str) -> None:
        monkeypatch.setattr(transaction, "ensure_schema", ensure_schema)
        runs.load(run_at(1))
        monkeypatch.setattr(transaction, "find_result", look)
        ensure_schema(connection, schema)

    monkeypatch.setattr(transaction, "ensure_schema", load_first)
    assert runs.load(run_at(2)).committed
    assert locked[0] == 1


def wait_for_lock(warehouse: Warehouse) -> None:
    """Until a session waits for a lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    wait_for(lambda: warehouse.sql(waiting) != "0")


def test_two_loads_of_one_run_load_it_once(runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.load(run_at(0))
    request = runs.request(run_at(1), of_hour(1))
    placed: list[str] = []
    before_placing(monkeypatch, lambda context: placed.extend(table.name for table in context.tables))
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(runs.carry_out, request) for _ in range(2)]
    assert both[0].result() == both[1].result()
    assert placed == ["cases", "audit"]


def test_of_two_runs_of_one_name_one_is_loaded(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(0))
    mine = run_at(1)
    requests = [runs.request(run, of_hour(1)) for run in (mine, replace(mine, arn="another machine's"))]
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(runs.carry_out, request) for request in requests]
    [error] = [error for error in (one.exception() for one in both) if error is not None]
    assert isinstance(error, RunNameTakenError)
    assert warehouse.count("pipeline_runs") == 2


def test_a_load_waits_for_another_no_longer_than_it_may(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(0))
    monkeypatch.setattr(shadows, "Timeouts", lambda statement: Timeouts(statement=statement, lock=0.2))
    with session(warehouse) as other:
        other.execute("BEGIN")
        assert locks.acquire_load_lock(other, warehouse.settings.schema)
        with pytest.raises(LockTimeoutError, match='"pipeline_runs": other sessions'):
            runs.load(run_at(1))
        assert runs.carry_out(runs.request(run_at(1)), schema="elsewhere").committed
