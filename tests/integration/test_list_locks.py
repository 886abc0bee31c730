"""The question `locks`: who holds what on the warehouse's tables, and the statement that ends it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.session import open_session
from tests.integration.conftest import TRUNCATE_ALONE
from tests.support.operate import ask
from tests.support.roles import administrator
from tests.support.runs import EVERYTHING, Runs, run_at
from tests.support.waiting import wait_for
from tests.support.warehouse import Warehouse

pytestmark = [TRUNCATE_ALONE, pytest.mark.usefixtures("environment"), pytest.mark.long]

SECRET = "a value of an item"


def test_each_lock_of_others_is_listed_with_its_table_its_mode_and_the_statement_that_ends_it(
    runs: Runs, warehouse: Warehouse
) -> None:
    runs.load(run_at(1), EVERYTHING)
    warehouse.sql("CREATE TABLE warehouse.somebodys (); CREATE TABLE warehouse_pipeline.cases_previous ()")
    assert ask("locks") == {"locks": [], "complete": True}
    with administrator(warehouse) as holder:
        holder.execute("BEGIN; LOCK TABLE warehouse.somebodys")
        holder.query(f"SELECT FROM warehouse.cases WHERE status = '{SECRET}'")
        holder.execute(
            "LOCK TABLE warehouse.pipeline_runs IN SHARE MODE; SELECT FROM warehouse_pipeline.cases_previous"
        )
        holder.execute("LOCK TABLE warehouse.cases IN ROW EXCLUSIVE MODE")
        [[pid]] = holder.query("SELECT pg_backend_pid()")
        answer = ask("locks")
    found = {lock["table"]: lock["mode"] for lock in answer["locks"]}
    assert found == {
        "warehouse.cases": "ROW EXCLUSIVE",
        "warehouse.pipeline_runs": "SHARE",
        "warehouse_pipeline.cases_previous": "ACCESS SHARE",
    }
    for lock in answer["locks"]:
        assert (lock["process"], lock["is_granted"], lock["is_own"]) == (pid, True, False)
        assert lock["end"] == f"SELECT pg_terminate_backend({pid});"
        assert lock["holder"] == f"process {pid} (role admin, somebody's client)"
        assert lock["age_seconds"] is None  # only members of pg_read_all_stats may see it
    assert SECRET not in str(answer)


def test_the_age_of_a_lock_is_shown_to_members_of_pg_read_all_stats_and_the_oldest_comes_first(
    runs: Runs, warehouse: Warehouse
) -> None:
    runs.load(run_at(1), EVERYTHING)
    warehouse.sql("GRANT pg_read_all_stats TO pipeline")
    with administrator(warehouse) as older, administrator(warehouse) as younger:
        pids = []
        for session in (older, younger):
            session.execute("BEGIN; LOCK TABLE warehouse.audit IN ACCESS SHARE MODE")
            pids += [pid for [pid] in session.query("SELECT pg_backend_pid()")]
        locks = ask("locks")["locks"]
    assert [lock["process"] for lock in locks] == pids
    assert 0 <= locks[1]["age_seconds"] <= locks[0]["age_seconds"]


def test_a_session_of_the_pipeline_that_waits_is_its_own_and_has_no_statement_that_ends_it(
    runs: Runs, warehouse: Warehouse
) -> None:
    runs.load(run_at(1), EVERYTHING)
    with (
        administrator(warehouse) as holder,
        open_session(warehouse.settings, "run", Timeouts(lock=60), writes=True) as load,
        ThreadPoolExecutor() as pool,
    ):
        holder.execute("BEGIN; LOCK TABLE warehouse.cases")
        load.execute("BEGIN; LOCK TABLE warehouse.audit IN SHARE MODE")
        [[pid]] = load.query("SELECT pg_backend_pid()")
        waiting = pool.submit(load.execute, "LOCK TABLE warehouse.cases IN ACCESS SHARE MODE")
        wait_for(lambda: len(ask("locks")["locks"]) == 3)
        locks = ask("locks")["locks"]
        holder.execute("ROLLBACK")
        waiting.result()
    own = [(lock["table"], lock["is_granted"], lock["end"]) for lock in locks if lock["is_own"]]
    assert own == [("warehouse.audit", True, None), ("warehouse.cases", False, None)]
    assert {lock["process"] for lock in locks if lock["is_own"]} == {pid}
