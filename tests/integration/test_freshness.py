"""Whoever may read a table sees how old it is, how many rows it has and which run loaded it: no more, and no less."""

import pytest

from tests.integration.conftest import TRUNCATE_ALONE
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse

pytestmark = TRUNCATE_ALONE

VIEW = "SELECT table_name, rows, last_run, age < '1 minute' FROM warehouse.pipeline_freshness ORDER BY 1"


def test_each_table_has_its_last_run_and_an_empty_one_is_not_stale(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(3), "audit": []})
    runs.load(run_at(2), {"cases": documents(2)})
    assert warehouse.sql(VIEW).splitlines() == ["audit|0|run-1|t", "cases|2|run-2|t"]
    warehouse.sql("UPDATE warehouse.pipeline_runs SET committed_at = committed_at - interval '2 days'")
    assert warehouse.sql(VIEW).splitlines() == ["audit|0|run-1|f", "cases|2|run-2|f"]
    warehouse.sql("UPDATE warehouse.pipeline_runs SET status = 'rolled back' WHERE run_id = 'run-2'")
    assert warehouse.sql(VIEW).splitlines() == ["audit|0|run-1|f", "cases|3|run-1|f"]


@pytest.mark.parametrize(
    ("grant", "seen"),
    [
        ("SELECT ON warehouse.cases", ["cases"]),
        ("SELECT (status) ON warehouse.cases", ["cases"]),
        ("SELECT ON ALL TABLES IN SCHEMA warehouse", ["audit", "cases"]),
        ("INSERT ON warehouse.cases", []),
    ],
)
def test_a_reader_sees_the_tables_that_he_may_read(runs: Runs, minimal: Warehouse, grant: str, seen: list[str]) -> None:
    """As docs/loader-role.sql sets up the loader, and for a role that it does not know."""
    runs.load(run_at(1), {"cases": documents(1), "audit": []})
    minimal.sql("CREATE ROLE somebody; GRANT USAGE ON SCHEMA warehouse TO somebody; GRANT " + grant + " TO somebody")
    try:
        found = minimal.sql(f"SET ROLE somebody; {VIEW}").splitlines()
        assert [line.split("|")[0] for line in found] == seen
    finally:
        minimal.sql("DROP OWNED BY somebody; DROP ROLE somebody")


def test_a_dry_run_leaves_no_view_and_a_view_that_is_there_stays(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), dry_run=True)
    exists = "SELECT to_regclass('warehouse.pipeline_freshness') IS NOT NULL"
    assert warehouse.sql(exists) == "f"
    runs.load(run_at(2))
    warehouse.sql("CREATE VIEW warehouse.mine AS SELECT * FROM warehouse.pipeline_freshness")
    runs.load(run_at(3))
    assert warehouse.sql("SELECT last_run FROM warehouse.mine") == "run-3"
