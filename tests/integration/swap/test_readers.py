"""Who sees what while tables are swapped, at every isolation level."""

from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest

from demand_pipeline.errors import LockTimeoutError
from demand_pipeline.load.swap import gate
from tests.support.roles import analyst
from tests.support.runs import Runs, documents, run_at
from tests.support.waiting import wait_for
from tests.support.warehouse import Warehouse


def test_no_snapshot_of_any_age_shows_an_empty_or_half_table(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(3)})
    request = runs.request(run_at(2), {"cases": documents(5)})
    with analyst(warehouse) as reader, analyst(warehouse) as other:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        [[pid]] = reader.query("SELECT pg_backend_pid() FROM pg_class LIMIT 1")
        with pytest.raises(LockTimeoutError, match=rf"snapshots of the processes {pid} are older than the new rows"):
            runs.carry_out(request)
        assert reader.query("SELECT count(*) FROM warehouse.cases") == [[3]]
        reader.execute("COMMIT")
        # A snapshot after the copying sees the new rows, and so does not hold the swap up.
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.query("SELECT 1 FROM pg_class LIMIT 1")
        runs.carry_out(request)
        assert other.query("SELECT count(*) FROM warehouse.cases") == [[5]]


def test_a_snapshot_that_was_imported_from_an_older_one_is_waited_for(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1), {"cases": documents(3)})
    request = runs.request(run_at(2), {"cases": documents(5)})
    with analyst(warehouse) as exporter, analyst(warehouse) as importer, ThreadPoolExecutor(1) as pool:
        exporter.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        [[snapshot]] = exporter.query("SELECT pg_export_snapshot()")
        look = Mock(wraps=gate._old_snapshots)
        monkeypatch.setattr(gate, "_old_snapshots", look)
        load = pool.submit(runs.carry_out, request)
        wait_for(lambda: look.called or load.done())
        importer.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        importer.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        exporter.execute("COMMIT")
        wait_for(load.done)
        assert isinstance(load.exception(), LockTimeoutError)
        assert importer.query("SELECT count(*) FROM warehouse.cases") == [[3]]
        importer.execute("COMMIT")
    assert runs.carry_out(request).tables[0].loaded == 5


def test_a_writer_elsewhere_does_not_make_new_readers_look_old(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    warehouse.sql("CREATE SCHEMA elsewhere AUTHORIZATION analyst")
    with analyst(warehouse) as writer, analyst(warehouse) as reader, ThreadPoolExecutor(1) as pool:
        writer.execute("BEGIN")
        writer.execute("CREATE TABLE elsewhere.anything ()")
        load = pool.submit(runs.load, run_at(2), {"cases": documents(2)})
        while not load.done():
            reader.query("SELECT count(*) FROM warehouse.cases")
        assert load.result().committed


def test_a_swap_that_readers_hold_up_names_them_and_swaps_when_they_are_gone(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    request = runs.request(run_at(2), {"cases": documents(2)})
    with analyst(warehouse) as reader:
        reader.execute("BEGIN")
        [[pid, _]] = reader.query("SELECT pg_backend_pid(), count(*) FROM warehouse.cases")
        with pytest.raises(
            LockTimeoutError,
            match=rf"other sessions held locks .* held by process {pid} \(role analyst, a reader\) on warehouse.cases;",
        ):
            runs.carry_out(request)
    assert runs.carry_out(request).tables[0].loaded == 2
