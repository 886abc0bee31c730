"""A load within its limits: it stops before its deadline, in short COPYs, in little memory."""

from typing import Any

import pytest

from demand_pipeline.contracts.loading import StagedChunk
from demand_pipeline.deadline import RESERVE_SECONDS, Deadline
from demand_pipeline.errors import DeadlineError, TransientError
from demand_pipeline.load import transaction
from demand_pipeline.load.context import LoadContext, TableLoad
from demand_pipeline.load.copy import chunks, csv_lines
from demand_pipeline.load.in_place import merge, truncate
from demand_pipeline.load.in_place import strategy as in_place
from demand_pipeline.postgres.connection import Connection
from tests.integration.conftest import IN_ONE_TRANSACTION, TRUNCATE_ALONE, before_placing
from tests.support.runs import Runs, documents, row, run_at
from tests.support.warehouse import Warehouse

LATE = int(RESERVE_SECONDS * 1000)


class Clock:
    """Lambda's remaining time; it runs out when told to."""

    left = 900_000

    def __call__(self) -> int:
        return self.left


def out_of_time_at(runs: Runs, clock: Clock, staged: list[StagedChunk] | None = None) -> str:
    """Where a load stops by that clock."""
    with pytest.raises(DeadlineError) as caught:
        runs.carry_out(runs.request(run_at(2), {"cases": staged} if staged else None), Deadline(clock))
    stopped, _, advice = str(caught.value).removeprefix("out of time at ").partition("; ")
    assert advice == (
        "the tables are unchanged. Load fewer tables per run (run input: tables), or give the database a larger instance class"
    )
    return stopped


def test_a_load_that_is_late_in_copying_says_how_far_it_came(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    staged = [runs.chunk(run_at(2), "cases", documents(3)), runs.chunk(run_at(2), "cases", [], number=1)]
    staged.append(runs.chunk(run_at(2), "cases", [row("cases", document_id="last")], number=2))
    clock, convert = Clock(), csv_lines._convert

    def slow(lines: bytes) -> bytes:
        clock.left = LATE if b"last" in lines else clock.left
        return convert(lines)

    monkeypatch.setattr(csv_lines, "_convert", slow)
    assert out_of_time_at(runs, clock, staged) == f"{staged[-1].key}, not all of its 1 rows copied"
    warehouse.wait_until_closed()
    assert warehouse.count("cases") == 2


@IN_ONE_TRANSACTION
def test_a_load_that_is_late_in_putting_rows_in_place_is_cut_off_and_says_so(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    clock, slept = Clock(), list[int]()

    def hurry(_: Any) -> None:
        clock.left = LATE + 300

    def slow(context: LoadContext, table: TableLoad, *_: Any) -> int:
        with context.step(table):
            clock.left = LATE
            slept.append(context.connection.execute("SELECT pg_sleep(20)"))
        return 0

    before_placing(monkeypatch, hurry)
    monkeypatch.setattr(truncate, "fill", slow)
    monkeypatch.setattr(merge, "update", slow)
    assert out_of_time_at(runs, clock) == "cases, all 1 rows checked, not yet written to the target"
    assert slept == []  # cut off
    warehouse.wait_until_closed()
    assert warehouse.count("cases") == 2


@TRUNCATE_ALONE
def test_a_load_that_is_late_in_writing_is_cut_off_and_says_so(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    clock = Clock()

    def hurry(_: Any) -> None:
        clock.left = LATE + 300

    def slow(connection: Connection, *_: Any) -> int:
        clock.left = LATE
        return connection.execute("SELECT pg_sleep(20)")

    before_placing(monkeypatch, hurry)
    monkeypatch.setattr(Connection, "copy_across", slow)
    assert out_of_time_at(runs, clock) == "cases, all 1 rows checked, not yet written to the target"
    assert warehouse.count("cases") == 2


@TRUNCATE_ALONE
def test_a_load_whose_writing_stalls_is_tried_again(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    monkeypatch.setattr(truncate, "_COPY_SECONDS", 0.3)
    monkeypatch.setattr(Connection, "copy_across", lambda connection, *_: connection.execute("SELECT pg_sleep(20)"))
    with pytest.raises(TransientError, match=r"cases: writing stalled for 0\.3 s"):
        runs.load(run_at(2), {"cases": documents(3)})
    assert warehouse.count("cases") == 2


@IN_ONE_TRANSACTION
@pytest.mark.parametrize(
    ("place", "done"),
    [
        ((transaction, "refuse_stale"), "the start, no row copied"),
        ((in_place, "count_rows"), "all 1 rows copied, none written to the target"),
        ((transaction, "record"), "all 1 rows written to the target, not committed"),
    ],
)
def test_a_load_that_is_late_anywhere_else_is_cut_off_and_says_so(
    place: tuple[Any, str], done: str, runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    clock.left = LATE + 1000

    def slow(caller: Any, *_: Any) -> None:
        clock.left = LATE
        getattr(caller, "connection", caller).execute("SELECT pg_sleep(20)")

    monkeypatch.setattr(*place, slow)
    assert out_of_time_at(runs, clock) == done


def test_a_long_chunk_is_copied_in_statements_of_bounded_length(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[str] = []
    copy_in = Connection.copy_in

    def counted(connection: Connection, sql: str, blocks: Any) -> int:
        copies.append(sql)
        return copy_in(connection, sql, blocks)

    monkeypatch.setattr(Connection, "copy_in", counted)
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(chunks, "_FEED_SECONDS", 0)
    assert runs.load(run_at(1), {"cases": documents(100)}).tables[0].loaded == 100
    assert len(copies) > 5


def test_a_load_needs_no_more_memory_for_more_rows(runs: Runs) -> None:
    import tracemalloc  # noqa: PLC0415 - slows down what runs while it is on

    run = run_at(1)
    peaks = []
    for number, count in enumerate((2_000, 20_000)):
        rows = [row("cases", document_id=f"{number}-{index}", supplier_name="x" * 500) for index in range(count)]
        request = runs.request(run_at(number), {"cases": [runs.chunk(run, "cases", rows, number=number)]})
        del rows
        tracemalloc.start()
        runs.carry_out(request)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (4 << 20)
