"""Loads and stalls are measured on full tables, and a reader reports how long it was locked out."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.environment import Environment, environment
from benchmarks.figures import QUICK_SIZE
from benchmarks.loading import CHANGE, TABLE, copy, load, psql, roll_back, stage, swapped, write_csv
from benchmarks.parts import load as load_part
from benchmarks.parts import stalls
from benchmarks.run_function import Event

pytestmark = pytest.mark.xdist_group("loading")  # one worker stages the items

ROWS = 300
COUNT = f"SELECT count(*), count(DISTINCT document_id), count(DISTINCT ctid) FROM {TABLE}"  # noqa: S608 - a name of our own
# How many neighbours in the table are in the order of their keys too.
_RISES = f"SELECT document_id > lag(document_id) OVER (ORDER BY ctid) AS rises FROM {TABLE}"  # noqa: S608 - the same
SORTED = f"SELECT count(*) FROM ({_RISES}) AS rows WHERE rises"  # noqa: S608 - the same


@pytest.fixture(scope="module")
def staged() -> Iterator[tuple[Environment, list[Event]]]:
    with environment(items=ROWS) as servers:
        chunks = stage(servers)
        load(servers, chunks, "truncate")
        yield servers, chunks


def test_what_is_staged_is_loaded_in_no_order_and_can_be_copied_again(staged: tuple[Environment, list[Event]]) -> None:
    servers, _ = staged
    assert servers.postgres.execute(COUNT) == f"{ROWS}|{ROWS}|{ROWS}"
    assert ROWS / 3 < int(servers.postgres.execute(SORTED)) < ROWS * 2 / 3
    path = write_csv(servers)
    psql(servers, f"TRUNCATE {TABLE}", copy(path))
    assert servers.postgres.execute(COUNT) == f"{ROWS}|{ROWS}|{ROWS}"


def test_a_merge_has_something_to_do(staged: tuple[Environment, list[Event]]) -> None:
    servers, chunks = staged
    psql(servers, CHANGE)
    load(servers, chunks, "merge")
    last = (
        "SELECT updated FROM pipeline_run_tables JOIN pipeline_runs USING (run_id) ORDER BY committed_at DESC LIMIT 1"
    )
    assert int(servers.postgres.execute(last)) > 0


@pytest.mark.slow
def test_a_rollback_is_timed_until_its_commit(staged: tuple[Environment, list[Event]]) -> None:
    servers, chunks = staged
    parents = swapped(servers, chunks)
    assert load(parents, chunks, "swap").publishing > 0
    assert 1 < roll_back(parents) < 60_000
    status = "SELECT status FROM pipeline_runs ORDER BY committed_at DESC LIMIT 1"
    assert parents.postgres.execute(status) == "rolled back"


def test_a_reader_reports_how_long_it_was_locked_out(staged: tuple[Environment, list[Event]]) -> None:
    servers, _ = staged
    with stalls.reading(servers) as waits:
        psql(servers, f"LOCK TABLE {TABLE}", "SELECT pg_sleep(0.7)")
    assert max(waits) > 650


@pytest.mark.slow
def test_both_parts_measure_every_way_and_what_has_a_target() -> None:
    size = replace(QUICK_SIZE, load_rows=ROWS, stall_rows=(ROWS,))
    found = {figure.name for part in (load_part, stalls) for figure in part.measure(size, lambda _: None)}
    loads = {
        f"load_{way}_{unit}_per_row" for way in ("truncate", "merge", "swap", "psql_copy") for unit in ("us", "cpu_us")
    }
    loads |= {
        f"load_{way}_{part}_us_per_row" for way in ("truncate", "merge", "swap") for part in ("copying", "publish")
    }
    loads |= {"load_heap_bytes_per_row", "load_index_bytes_per_row"}
    ways = ("idle", "merge", "truncate", "truncate_first", "delete_insert", "swap", "rollback")
    targets = {
        "load_wall_vs_psql_copy",
        "swap_load_wall_vs_psql_copy",
        "swap_reader_stall_ms",
        "rollback_ms",
        "load_client_cpu_us_per_row",
        "reader_stall_ms",
        "truncate_stall_vs_truncate_first",
    }
    assert found == loads | {f"stall_{way}_{ROWS}_ms" for way in ways} | targets
