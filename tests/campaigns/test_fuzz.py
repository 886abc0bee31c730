"""A short part of `make fuzz`, always the same: rows equal to the reference, or rejects with a reason."""

import pytest

from campaigns.fuzz import __main__ as fuzz
from campaigns.fuzz import generator
from campaigns.fuzz.check import check_batch, prepare
from campaigns.fuzz.generator import Generator
from demand_pipeline.builders import TABLES
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.session import open_session
from tests.support.warehouse import Warehouse


@pytest.mark.parametrize("table", TABLES)
def test_random_items_become_the_rows_the_reference_says_or_rejects(warehouse: Warehouse, table: str) -> None:
    with open_session(warehouse.settings, "fuzz", Timeouts()) as connection:
        prepare(connection)
        assert check_batch(connection, TABLES[table], Generator(f"fixed/{table}"), 1000) == []


def test_the_largest_and_deepest_items_arrive(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "BIG", 1)
    monkeypatch.setattr(generator, "DEEP", 1)
    with open_session(warehouse.settings, "fuzz", Timeouts()) as connection:
        prepare(connection)
        assert check_batch(connection, TABLES["metadata"], Generator("large"), 6) == []


def test_a_wrong_conversion_is_found(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demand_pipeline.transform.jsonb.sort_numbers", sorted)
    with open_session(warehouse.settings, "fuzz", Timeouts()) as connection:
        prepare(connection)
        assert check_batch(connection, TABLES["metadata"], Generator("wrong"), 500) != []


def test_two_processes_check_batches_of_the_same_tables_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz, "BATCH", 5)
    monkeypatch.setattr("sys.argv", ["fuzz", "--items", "80", "--seed", "1"])
    assert fuzz.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "80 passed, 0 failed"
