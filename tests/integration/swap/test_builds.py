"""Index builds outlive their clients, and are started once more if they were ended."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from demand_pipeline.contracts.loading import Again, LoadRequest, LoadResult
from demand_pipeline.errors import DatabaseError, TransientError
from demand_pipeline.load import transaction
from demand_pipeline.load.copy.shadows import Shadows
from demand_pipeline.load.swap import builds
from demand_pipeline.load.transaction import load_warehouse
from demand_pipeline.postgres import network
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from tests.support.functions import UNLIMITED
from tests.support.runs import Runs, documents, run_at
from tests.support.waiting import wait_for
from tests.support.warehouse import Warehouse


@contextmanager
def held_build(runs: Runs, request: LoadRequest, patch: pytest.MonkeyPatch) -> Iterator[list[Connection]]:
    """Hold up the build of the shadow's key by a lock; yields the builder's session once it waits."""
    sessions: list[Connection] = []

    def opened(*arguments: Any) -> Connection:
        sessions.append(open_session(*arguments))
        return sessions[-1]

    patch.setattr(builds, "open_session", opened)
    shadow = shadow_of(request)
    with open_session(runs.warehouse.settings, "holder", Timeouts()) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(f"BEGIN; LOCK TABLE {shadow} IN ACCESS SHARE MODE")
        load = pool.submit(call, runs, request)
        wait_for(lambda: sessions and runs.warehouse.sql("SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1"))
        yield sessions
        assert load.result() == Again(30, "indexes to build")


def call(runs: Runs, request: LoadRequest) -> LoadResult | Again:
    return load_warehouse(request, runs.warehouse.settings, runs.staging, UNLIMITED)


def shadow_of(request: LoadRequest) -> str:
    return Shadows(None, "warehouse", request.run).rows("cases")  # type: ignore[arg-type]


def copied(runs: Runs) -> LoadRequest:
    """A run that is copied, and not yet built."""
    runs.load(run_at(1))
    request = runs.request(run_at(2), {"cases": documents(2)})
    runs.prepare(request)
    assert runs.copy(request, request.tables[0].chunks[0]).copied
    return request


KEY = "SELECT indexrelid FROM pg_index WHERE indisvalid AND indrelid = '{}'::regclass"


def test_an_index_build_outlives_its_client(runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    request = copied(runs)
    with held_build(runs, request, monkeypatch) as [session]:
        network.hang_up(session._sock)
    wait_for(lambda: warehouse.sql(KEY.format(shadow_of(request))))
    index = warehouse.sql(KEY.format(shadow_of(request)))
    assert runs.carry_out(request).tables[0].loaded == 2
    assert warehouse.sql(KEY.format("warehouse_pipeline.cases_current")) == index


def test_a_build_that_was_ended_is_started_once_more_then_fails_the_load_and_again_by_a_redrive(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = copied(runs)
    for _ in range(2):
        with held_build(runs, request, monkeypatch):
            end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE"
            warehouse.sql(f"{end} 'demand-pipeline build %'")
    with pytest.raises(DatabaseError, match="cases: cases_pkey was started 2 times, each time without a result"):
        runs.carry_out(request)
    assert warehouse.count("cases") == 1
    assert runs.carry_out(request).tables[0].loaded == 2


def test_a_call_waits_for_the_build_of_an_earlier_one(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = copied(runs)
    with held_build(runs, request, monkeypatch) as [session]:
        monkeypatch.setattr(builds, "_WAIT_SECONDS", 0.2)
        assert call(runs, request) == Again(30, "indexes to build")
        network.hang_up(session._sock)


def test_a_client_that_hangs_between_two_statements_holds_a_redrive_up_for_seconds(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session builds nothing, and no client that closes it is left: PostgreSQL ends it."""
    request = copied(runs)
    monkeypatch.setattr(builds, "_IDLE_SECONDS", 0.5)
    monkeypatch.setattr(builds, "_WAIT_SECONDS", 0.2)
    hangs, goes_on = Event(), Event()
    find_builds = builds.find_builds

    def hang(*arguments: Any) -> Any:
        if not hangs.is_set():
            hangs.set()
            goes_on.wait(60)
        return find_builds(*arguments)

    monkeypatch.setattr(builds, "find_builds", hang)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, runs, request)
        hangs.wait(60)
        try:
            wait_for(lambda: isinstance(call(runs, request), LoadResult), 20)
        finally:
            goes_on.set()
        with pytest.raises(TransientError):
            first.result()
    assert warehouse.count("cases") == 2


def test_statistics_are_rough_when_rows_become_visible_and_complete_afterwards(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bounds() -> str:
        return warehouse.sql(
            "SELECT cardinality(histogram_bounds::text::text[]) FROM pg_stats "
            "WHERE schemaname = 'warehouse_pipeline' AND tablename = 'cases_current' AND attname = 'document_id'"
        )

    at_commit: list[str] = []
    monkeypatch.setattr(transaction, "report_changes", lambda _: at_commit.append(bounds()))
    runs.load(run_at(1), {"cases": documents(500)})
    assert (at_commit, bounds()) == (["11"], "101")


def test_calls_without_progress_come_to_an_end(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds.Builder, "build", lambda *_: False)
    monkeypatch.setattr(transaction, "_MOST_CALLS", 3)
    request = runs.request(run_at(1))
    assert [call(runs, request) for _ in range(3)] == [Again(30, "indexes to build")] * 3
    with pytest.raises(DatabaseError, match="called 3 times without progress; remaining: indexes to build"):
        call(runs, request)
