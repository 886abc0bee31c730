"""The rows that the last swap replaced are kept until the next load, and never block it."""

import re
from unittest.mock import Mock

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import StaleRunError, TransientError
from demand_pipeline.load import transaction
from tests.support.roles import analyst
from tests.support.runs import Runs, documents, reject, row, run_at
from tests.support.warehouse import Warehouse


def test_a_reader_of_the_previous_rows_does_not_hold_up_the_next_swap(runs: Runs, warehouse: Warehouse) -> None:
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)})
    with analyst(warehouse) as reader:
        reader.execute("BEGIN")
        reader.query("SELECT count(*) FROM warehouse_pipeline.cases_previous")
        runs.load(run_at(3), {"cases": documents(3)})
        assert reader.query("SELECT count(*) FROM warehouse_pipeline.cases_previous") == [[1]]
    runs.load(run_at(4), {"cases": documents(4)})
    assert warehouse.sql("SELECT count(*) FROM warehouse_pipeline.cases_previous") == "3"
    assert (
        tables_left(warehouse)
        == "cases_current,cases_previous,rejected_items_default,rejects_cases_current,rejects_cases_previous"
    )


def test_the_previous_rows_are_dropped_after_the_commit(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)})
    at_commit: list[str] = []
    monkeypatch.setattr(transaction, "report_changes", lambda _: at_commit.append(tables_left(warehouse)))
    runs.load(run_at(3), {"cases": documents(3)})
    assert len(re.findall(r"\bcases_old_", at_commit[0])) == 1
    assert "_old_" not in tables_left(warehouse)


def test_a_redrive_drops_the_previous_rows_that_a_failed_attempt_has_discarded(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)})
    request = runs.request(run_at(3), {"cases": documents(3)})
    with monkeypatch.context() as patch, pytest.raises(TransientError):
        patch.setattr(transaction, "record", Mock(side_effect=TransientError("the connection broke")))
        runs.carry_out(request)
    assert "cases_old_" in tables_left(warehouse)
    runs.carry_out(request)
    assert "_old_" not in tables_left(warehouse)
    assert warehouse.sql("SELECT count(*) FROM warehouse_pipeline.cases_previous") == "2"


def tables_left(warehouse: Warehouse) -> str:
    return warehouse.sql(
        "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = 'warehouse_pipeline'::regnamespace"
    )


@pytest.mark.parametrize("strategy", [Strategy.TRUNCATE, Strategy.MERGE], indirect=True)
def test_another_strategy_loads_the_parent_and_drops_the_previous_rows(
    runs: Runs, warehouse: Warehouse, strategy: Strategy
) -> None:
    swaps = Runs(runs.staging, warehouse, strategy=Strategy.SWAP)
    for hour in (1, 2):
        run = run_at(hour)
        swaps.load(run, {"cases": [runs.chunk(run, "cases", documents(3), [reject("r")])]}, max_reject_percent=50)
    run = run_at(3)
    runs.load(
        run, {"cases": [runs.chunk(run, "cases", documents(4), [reject("x"), reject("y")])]}, max_reject_percent=50
    )
    run = run_at(4)
    runs.load(run, {"audit": [runs.chunk(run, "audit", [], [reject("z")])]}, max_reject_percent=100)
    assert warehouse.count("cases") == 4
    assert (
        warehouse.sql("SELECT string_agg(run_id, ',' ORDER BY 1) FROM warehouse.rejected_items") == "run-3,run-3,run-4"
    )
    assert tables_left(warehouse) == "cases_current,rejected_items_default,rejects_cases_current"
    swaps.load(run_at(5), {"cases": documents(5), "audit": [row("audit", audit_id="a")]})
    assert warehouse.count("cases") == 5
    assert warehouse.count("rejected_items") == 0


def test_previous_rows_are_not_kept_if_not_wanted(runs: Runs, warehouse: Warehouse) -> None:
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)}, keep_previous=False)
    assert tables_left(warehouse) == "cases_current,rejected_items_default,rejects_cases_current"


def test_rows_replaced_by_another_run_that_was_committed_meanwhile_are_not_kept(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)})
    monkeypatch.setattr(transaction, "make_way", lambda *_, **__: None)  # it was done before the other's commit
    runs.load(run_at(3), {"cases": documents(3)})
    assert warehouse.sql("SELECT count(*) FROM warehouse_pipeline.cases_previous") == "2"


def test_a_late_older_run_is_refused_before_it_drops_what_can_be_rolled_back(runs: Runs, warehouse: Warehouse) -> None:
    older = runs.request(run_at(1), {"cases": documents(9)})
    runs.prepare(older)
    for hour in (2, 3):
        runs.load(run_at(hour), {"cases": documents(hour)})
    with pytest.raises(StaleRunError):
        runs.carry_out(older)
    assert warehouse.sql("SELECT count(*) FROM warehouse_pipeline.cases_previous") == "2"


@pytest.mark.parametrize("later", [Strategy.TRUNCATE, Strategy.MERGE])
def test_a_parent_that_another_strategy_loads_has_statistics_of_its_rows(
    later: Strategy, runs: Runs, warehouse: Warehouse
) -> None:
    runs.load(run_at(1), {"cases": documents(3)})
    runs.strategy = later
    runs.load(run_at(2), {"cases": documents(40)})
    assert warehouse.sql("SELECT reltuples FROM pg_class WHERE oid = 'warehouse.cases'::regclass") == "40"
