"""Whoever makes a load wait is named, with the statement that ends the waiting."""

import re
from collections.abc import Iterator

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import LockTimeoutError
from demand_pipeline.load.copy import shadows
from demand_pipeline.load.warehouse import locks
from demand_pipeline.load.warehouse.holders import name_sessions
from demand_pipeline.load.warehouse.locks import lock_out_writers
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.statements import qualified
from local.postgres import PostgresServer
from tests.support.roles import administrator
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse, settings_for

CASES = qualified("warehouse", "cases")
SECRET = "a value of an item"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "Timeouts", lambda statement: Timeouts(statement=statement, lock=0.3))
    monkeypatch.setattr(locks, "_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(locks, "_ATTEMPTS", 2)


@pytest.mark.parametrize(
    ("strategy", "statement", "table"),
    [
        (Strategy.TRUNCATE, f"SELECT FROM warehouse.cases WHERE status = '{SECRET}'", "cases"),
        (Strategy.MERGE, "LOCK TABLE warehouse.cases IN ROW EXCLUSIVE MODE", "cases"),
        (Strategy.MERGE, "SELECT FROM warehouse.cases FOR UPDATE", "cases"),
        (Strategy.SWAP, "LOCK TABLE warehouse.cases IN ROW EXCLUSIVE MODE", "cases"),
        *((strategy, "LOCK TABLE warehouse.pipeline_runs IN SHARE MODE", "pipeline_runs") for strategy in Strategy),
        *((strategy, "LOCK TABLE warehouse.rejected_items IN SHARE MODE", "rejected_items") for strategy in Strategy),
        (Strategy.MERGE, "LOCK TABLE warehouse.pipeline_run_tables", "pipeline_run_tables"),
    ],
)
def test_who_holds_what_a_load_waits_for_is_named(runs: Runs, warehouse: Warehouse, statement: str, table: str) -> None:
    runs.load(run_at(1))
    with administrator(warehouse) as holder:
        holder.execute("BEGIN")
        holder.execute(statement)
        [[pid]] = holder.query("SELECT pg_backend_pid()")
        with pytest.raises(LockTimeoutError) as raised:
            runs.load(run_at(2), {"cases": documents(2, status="changed")})
    message = str(raised.value)
    assert f"process {pid} (role admin, somebody's client) on warehouse.{table}" in message
    assert message.endswith(f"; end with SELECT pg_terminate_backend({pid});")
    assert message.count("process ") == 1
    assert message.count("\n") == 0
    assert SECRET not in message


@pytest.mark.parametrize("strategy", [Strategy.MERGE])
def test_who_only_reads_is_not_named_to_a_load_that_waits_for_a_writer(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    with administrator(warehouse) as reader, administrator(warehouse) as writer:
        reader.execute("BEGIN")
        reader.query("SELECT count(*) FROM warehouse.cases")
        [[pid]] = reader.query("SELECT pg_backend_pid()")
        writer.execute("BEGIN; LOCK TABLE warehouse.cases IN ROW EXCLUSIVE MODE")
        with pytest.raises(LockTimeoutError, match="held by process") as raised:
            runs.load(run_at(2))
    assert f"process {pid} " not in str(raised.value)


def test_of_many_holders_three_are_named_and_the_others_counted(warehouse: Warehouse) -> None:
    with open_session(warehouse.settings, "run", Timeouts()) as loader:
        pids = [pid for [pid] in loader.query("SELECT pid FROM pg_stat_activity")]
        shown = name_sessions(loader, pids)
    assert shown.count("(") - shown.count("pg_terminate_backend(") == 3
    assert f", {len(pids) - 3} more; end with " in shown


def test_of_a_session_of_ones_own_role_state_and_first_word_are_shown(warehouse: Warehouse) -> None:
    with (
        open_session(warehouse.settings, "run", Timeouts()) as loader,
        open_session(warehouse.settings, "other", Timeouts()) as other,
    ):
        other.execute("BEGIN")
        [[pid]] = other.query(f"  select pg_backend_pid() WHERE '{SECRET}' <> ''")
        shown = name_sessions(loader, [pid])
        other.query(f"-- {SECRET}\nSELECT 1")
        commented = name_sessions(loader, [pid])
    state = rf"process {pid} \(role pipeline, demand-pipeline other, idle in transaction since 20[-0-9]{{8}} [:0-9]{{8}}\+00"
    assert re.fullmatch(rf"{state}, SELECT\)", shown)
    assert re.fullmatch(rf"{state}\)", commented)


@pytest.fixture
def two_phase() -> Iterator[PostgresServer]:
    """A server that knows prepared transactions."""
    with PostgresServer.temporary() as server:
        server.execute("ALTER SYSTEM SET max_prepared_transactions = 1", admin=True)
        server.restart()
        yield server


@pytest.mark.usefixtures("aws")
def test_a_prepared_transaction_is_named_also_after_a_restart(two_phase: PostgresServer) -> None:
    warehouse = Warehouse(two_phase, settings_for(two_phase))
    warehouse.sql("CREATE SCHEMA warehouse AUTHORIZATION pipeline")
    two_phase.execute("CREATE TABLE warehouse.cases ()")
    warehouse.sql("BEGIN; LOCK TABLE warehouse.cases IN SHARE MODE; PREPARE TRANSACTION 'it''s mine'")

    def waiting() -> str:
        with open_session(warehouse.settings, "run", Timeouts(lock=0.1)) as loader:
            loader.execute("BEGIN")
            with pytest.raises(LockTimeoutError) as raised:
                lock_out_writers(loader, [CASES])
        return str(raised.value)

    expected = r"held by prepared transaction 'it''s mine' (role admin, since "
    end = "on warehouse.cases; end with ROLLBACK PREPARED 'it''s mine';"
    for _ in range(2):
        message = waiting()
        assert expected in message
        assert message.endswith(end)
        two_phase.restart()
