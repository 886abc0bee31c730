"""Swaps have no upper limit: a table is loaded by functions each of which has a fifth of the time that its load takes."""

import time
from collections.abc import Callable
from itertools import batched

import pytest

from demand_pipeline.contracts.loading import Again, LoadRequest
from demand_pipeline.deadline import RESERVE_SECONDS, Deadline
from demand_pipeline.load.transaction import load_warehouse
from tests.integration.conftest import SWAP_ALONE
from tests.support.functions import UNLIMITED
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse

pytestmark = [SWAP_ALONE, pytest.mark.slow]
ROWS, CHUNK_ROWS = 200_000, 2_000


def calls(runs: Runs, request: LoadRequest, deadline: Callable[[], Deadline]) -> int:
    """How many calls a load takes, each with a deadline of its own."""
    count = 1
    while isinstance(load_warehouse(request, runs.warehouse.settings, runs.staging, deadline()), Again):
        count += 1
    return count


def within(seconds: float) -> Deadline:
    end = time.monotonic() + RESERVE_SECONDS + seconds
    return Deadline(lambda: int((end - time.monotonic()) * 1000))


def test_a_swap_is_done_by_functions_too_short_for_the_whole_of_it(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(0))
    warehouse.sql("CREATE INDEX ON warehouse.cases (status, document_id)")
    parts = batched(documents(ROWS, status="new"), CHUNK_ROWS, strict=True)
    chunks = [runs.chunk(run_at(1), "cases", part, number=number) for number, part in enumerate(parts)]
    start = time.monotonic()
    calls(runs, runs.request(run_at(1), {"cases": chunks}, save_csv=True), lambda: UNLIMITED)
    fifth = (time.monotonic() - start) / 5
    request = runs.request(run_at(2), {"cases": chunks}, save_csv=True)
    assert calls(runs, request, lambda: within(fifth)) >= 5
    assert warehouse.sql("SELECT last_run FROM warehouse.pipeline_freshness WHERE table_name = 'cases'") == "run-2"
    assert warehouse.count("cases") == ROWS
