"""Chunks copied by functions of their own: each once, whatever is killed, repeated or emptied, and none left behind."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import boto3
import pytest

from demand_pipeline.contracts.loading import Again, LoadRequest
from demand_pipeline.deadline import RESERVE_SECONDS, Deadline
from demand_pipeline.errors import DiskFullError, StaleRunError, TransientError
from demand_pipeline.load.copy import csv_lines, shadows
from demand_pipeline.load.transaction import load_warehouse
from demand_pipeline.postgres.connection import Connection
from tests.integration.conftest import IN_ONE_TRANSACTION, TRUNCATE_ALONE
from tests.support.aws import BUCKET
from tests.support.runs import Runs, documents, reject, row, run_at
from tests.support.warehouse import Warehouse

SHADOWS = "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND relname ~ '_[0-9a-f]{12}$' AND nspname = "


def in_chunks(runs: Runs, hour: int, number: int = 3, **options: Any) -> LoadRequest:
    """A run of as many chunks, each with a row and a reject."""
    run = run_at(hour)
    chunks = [
        runs.chunk(run, "cases", [row("cases", document_id=f"{i}", status=str(hour))], [reject(f"r{i}")], number=i)
        for i in range(number)
    ]
    return runs.request(run, {"cases": chunks}, max_reject_percent=50, **options)


def copy_all(runs: Runs, request: LoadRequest) -> list[bool]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda chunk: runs.copy(request, chunk).copied, request.tables[0].chunks))


def forget_chunks() -> None:
    """Make every further read of a chunk fail."""
    boto3.resource("s3").Bucket(BUCKET).objects.delete()


def left_over(warehouse: Warehouse) -> int:
    return int(warehouse.sql(f"{SHADOWS} 'warehouse_pipeline'"))


def test_what_others_have_copied_is_loaded_without_being_read_again(runs: Runs, warehouse: Warehouse) -> None:
    request = in_chunks(runs, 1, save_csv=True)
    runs.prepare(request)
    assert copy_all(runs, request) == [True] * 3
    assert copy_all(runs, request) == [False] * 3
    forget_chunks()
    [table] = runs.carry_out(request).tables
    assert (table.chunks, table.staged, table.rejected, table.loaded) == (3, 3, 3, 3)
    assert table.load_seconds > 0
    assert warehouse.count("rejected_items") == 3
    assert left_over(warehouse) == 0


def test_the_same_chunk_twice_at_once_is_copied_once(runs: Runs, warehouse: Warehouse) -> None:
    request = in_chunks(runs, 1, 1)
    runs.prepare(request)
    [chunk] = request.tables[0].chunks
    with ThreadPoolExecutor(4) as pool:
        copied = list(pool.map(lambda _: runs.copy(request, chunk).copied, range(4)))
    assert sorted(copied) == [False, False, False, True]
    assert runs.carry_out(request).tables[0].loaded == 1


@pytest.mark.parametrize("when", ["before the rows", "during the rows", "before the commit", "after the commit"])
def test_only_what_a_killed_copy_did_not_commit_is_copied_by_the_load(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    request = in_chunks(runs, 1)
    runs.prepare(request)
    first, second, third = request.tables[0].chunks
    assert runs.copy(request, first).copied
    with monkeypatch.context() as patch:
        kill_copy(patch, warehouse, when)
        with pytest.raises(TransientError):
            runs.copy(request, second)
    assert runs.copy(request, third).copied
    if when == "after the commit":
        forget_chunks()
    else:
        for chunk in (first, third):
            boto3.client("s3").delete_object(Bucket=BUCKET, Key=chunk.key)
    assert runs.carry_out(request).tables[0].loaded == 3


def kill_copy(patch: pytest.MonkeyPatch, warehouse: Warehouse, when: str) -> None:
    """End the session of a copy at a point of it, as a function that is killed does."""
    execute, convert = Connection.execute, csv_lines._convert

    def end_session() -> None:
        warehouse.sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'demand-pipeline %'"
        )

    def killed(connection: Connection, sql: str, **parameters: Any) -> int:
        if when == "before the commit" and sql == "COMMIT":
            end_session()
        touched = execute(connection, sql, **parameters)
        if (when, sql) == ("after the commit", "COMMIT") or (when == "before the rows" and "ON CONFLICT" in sql):
            end_session()
            execute(connection, "SELECT 'the answer that is lost'")
        return touched

    def converted(lines: bytes) -> bytes:
        if when == "during the rows":
            end_session()
        return convert(lines)

    patch.setattr(Connection, "execute", killed)
    patch.setattr(csv_lines, "_convert", converted)


@IN_ONE_TRANSACTION
def test_a_crash_that_empties_the_shadows_leads_to_more_copying(runs: Runs, warehouse: Warehouse) -> None:
    request = in_chunks(runs, 1)
    runs.prepare(request)
    copy_all(runs, request)
    warehouse.server.restart(immediate=True)
    assert copy_all(runs, request) == [True] * 3  # as a redrive does
    warehouse.server.restart(immediate=True)
    assert runs.carry_out(request).tables[0].loaded == 3


def test_a_load_that_runs_out_of_time_is_called_again_and_goes_on(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = in_chunks(runs, 1, 6)
    left, calls, convert = 0, 0, csv_lines._convert

    def slow(lines: bytes) -> bytes:
        nonlocal left
        left -= 4_000
        return convert(lines)

    monkeypatch.setattr(csv_lines, "_convert", slow)
    answer: Any = Again(1)
    deadline = Deadline(lambda: left)
    while isinstance(answer, Again):
        left, calls = int(RESERVE_SECONDS * 1000) + 14_000, calls + 1
        answer = load_warehouse(request, warehouse.settings, runs.staging, deadline)
    assert answer.tables[0].loaded == 6
    assert calls == 4  # two chunks a call, and one that has its whole time for the rest


def test_shadows_that_nobody_has_touched_for_long_are_dropped_by_the_next_run(runs: Runs, warehouse: Warehouse) -> None:
    abandoned, running = in_chunks(runs, 1), in_chunks(runs, 2)
    for request in (abandoned, running):
        runs.prepare(request)
        copy_all(runs, request)
    ledger = shadows.Shadows(None, "warehouse", abandoned.run).ledger.table  # type: ignore[arg-type]
    warehouse.sql(f"UPDATE {ledger} SET touched_at = touched_at - interval '46 minutes'")  # noqa: S608 - quoted
    runs.prepare(in_chunks(runs, 3, dry_run=True))
    assert left_over(warehouse) == 9
    assert runs.load(run_at(4)).committed
    assert left_over(warehouse) == 6
    assert copy_all(runs, abandoned) == [False] * 3  # left to the load
    assert runs.carry_out(replace(abandoned, force=True)).tables[0].loaded == 3
    forget_chunks()
    assert runs.carry_out(replace(running, force=True)).tables[0].loaded == 3


@TRUNCATE_ALONE
def test_a_full_disk_is_named_and_gets_its_space_back(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    request = in_chunks(runs, 2)
    runs.prepare(request)
    copied, full, _ = request.tables[0].chunks
    runs.copy(request, copied)
    shadow = shadows.Shadows(None, "warehouse", request.run).rows("cases")  # type: ignore[arg-type]
    warehouse.sql(
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;"
        f"CREATE TRIGGER fill BEFORE INSERT ON {shadow} FOR EACH ROW EXECUTE FUNCTION fill()"
    )
    with pytest.raises(DiskFullError, match="SQLSTATE 53100"):
        runs.copy(request, full)
    assert left_over(warehouse) == 0
    assert warehouse.count("cases") == 2
    assert runs.carry_out(request).tables[0].loaded == 3


def test_two_runs_copy_at_once_and_the_older_one_is_refused(runs: Runs, warehouse: Warehouse) -> None:
    older, newer = in_chunks(runs, 1), in_chunks(runs, 2)
    for request in (older, newer):
        runs.prepare(request)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda request: copy_all(runs, request), (older, newer))) == [[True] * 3] * 2
    runs.carry_out(newer)
    with pytest.raises(StaleRunError):
        runs.carry_out(older)
    assert warehouse.sql("SELECT DISTINCT status FROM warehouse.cases") == "2"


def test_a_late_copy_of_a_loaded_run_does_nothing(runs: Runs, warehouse: Warehouse) -> None:
    request = in_chunks(runs, 1)
    runs.carry_out(request)
    assert copy_all(runs, request) == [False] * 3
    assert left_over(warehouse) == 0
