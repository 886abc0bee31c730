"""The SQL of demand explain and docs/runbook.md runs as it is, and shows what an entry is about."""

import pytest

from demand.explain import STATEMENTS, statements
from tests.integration.conftest import SWAP_ALONE
from tests.support.roles import administrator
from tests.support.runs import EVERYTHING, Runs, run_at
from tests.support.warehouse import Warehouse

pytestmark = [SWAP_ALONE, pytest.mark.usefixtures("environment"), pytest.mark.long]


def test_every_statement_runs_in_a_loaded_warehouse(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), EVERYTHING)
    shown = {name: [warehouse.sql(text) for text in statements(name, "warehouse")] for name in STATEMENTS}
    assert "run-1|" in shown["StaleRunError"][0]
    assert "cases|run-1|" in shown["ShrinkLimitError"][0]
    assert "warehouse.audit|" in shown["DiskFullError"][0] or "audit_current" in shown["DiskFullError"][0]
    assert "warehouse|cases|pipeline" in shown["DatabasePrivilegeError"][0]


def test_locks_are_shown_while_somebody_holds_them_and_a_schema_of_any_name_is_quoted(
    runs: Runs, warehouse: Warehouse
) -> None:
    runs.load(run_at(1), EVERYTHING)
    with administrator(warehouse) as holder:
        holder.execute("BEGIN; LOCK TABLE warehouse.cases IN SHARE MODE")
        [shown] = [warehouse.sql(text) for text in statements("LockTimeoutError", "warehouse")]
        [elsewhere] = [warehouse.sql(text) for text in statements("LockTimeoutError", 'it\'s "mine"')]
    assert "warehouse.cases|ShareLock|t" in shown
    assert elsewhere == ""
