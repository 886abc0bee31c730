"""Which run may load: each once, under its own name, and none after a later one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import boto3
import pytest

from demand_pipeline.contracts.loading import StagedChunk
from demand_pipeline.errors import DatabaseError, RunNameTakenError, StaleRunError, TransientError
from demand_pipeline.postgres.connection import Connection
from tests.support.aws import BUCKET
from tests.support.runs import EVERYTHING, Runs, documents, run_at
from tests.support.warehouse import Warehouse


def test_a_run_that_is_committed_is_not_loaded_again(runs: Runs, warehouse: Warehouse) -> None:
    first = runs.load(run_at(1), EVERYTHING)
    warehouse.sql("DELETE FROM warehouse.cases")
    boto3.resource("s3").Bucket(BUCKET).objects.delete()
    chunk = StagedChunk("runs/gone", 3, 3, 0, 0, 0.0, 0)
    request = runs.request(run_at(1), {name: [chunk] for name in EVERYTHING})
    assert runs.carry_out(request) == first
    assert warehouse.count("cases") == 0
    warehouse.wait_until_closed()


@pytest.mark.parametrize("microsecond", [0, 7_000, 123_000, 123_457, 999_999])
def test_a_redrive_finds_its_own_run_whatever_the_fraction_of_its_start(runs: Runs, microsecond: int) -> None:
    run = replace(run_at(1), started_at=run_at(1).started_at.replace(microsecond=microsecond))
    zone = timezone(timedelta(hours=5, minutes=30))
    assert runs.load(run) == runs.load(replace(run, started_at=run.started_at.astimezone(zone)))


@pytest.mark.parametrize(
    "other",
    [
        {"started_at": datetime(2027, 3, 1, tzinfo=UTC)},
        {"started_at": datetime(2026, 11, 23, 1, 0, 0, 1, tzinfo=UTC)},
        {"arn": "arn:aws:states:::execution:another-machine:run-1"},
    ],
)
@pytest.mark.parametrize("options", [{}, {"force": True}, {"dry_run": True, "save_csv": True}])
def test_a_name_that_another_run_has_used_is_refused_before_anything_is_staged(
    runs: Runs, warehouse: Warehouse, other: dict[str, Any], options: dict[str, Any]
) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    chunk = StagedChunk("runs/gone", 3, 3, 0, 0, 0.0, 0)
    message = (
        "run run-1 started at .* a different run with this name, started at 2026-11-23 01:00:00.* under another name"
    )
    with pytest.raises(RunNameTakenError, match=message):
        runs.load(replace(run_at(1), **other), {"cases": [chunk]}, **options)
    assert warehouse.count("cases") == 2
    assert warehouse.count("pipeline_runs") == 1
    warehouse.wait_until_closed()


def test_a_run_that_started_before_the_last_one_is_stale_unless_forced(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(2), {"cases": documents(2)})
    with pytest.raises(StaleRunError, match=r"run-1 started at 2026-11-23T01:00:00.*run-2 of 2026-11-23T02:00:00"):
        runs.load(run_at(1), {"cases": documents(1)})
    assert warehouse.count("cases") == 2
    assert runs.load(run_at(1), {"cases": documents(1)}, force=True).committed
    assert warehouse.count("cases") == 1
    warehouse.wait_until_closed()


def test_a_run_of_the_same_moment_is_not_stale(runs: Runs) -> None:
    runs.load(run_at(1))
    assert runs.load(replace(run_at(1), id="another", arn="arn:aws:states:::execution:another")).committed
    with pytest.raises(StaleRunError):
        runs.load(replace(run_at(1), id="older", started_at=run_at(1).started_at - timedelta(milliseconds=1)))


def commits(monkeypatch: pytest.MonkeyPatch, instead: Any) -> None:
    """Do something instead of the commit of what is recorded."""
    execute, recorded = Connection.execute, False

    def patched(connection: Connection, sql: str, **parameters: Any) -> int:
        nonlocal recorded
        recorded |= ".pipeline_runs (" in sql
        return instead(connection, execute) if recorded and sql == "COMMIT" else execute(connection, sql, **parameters)

    monkeypatch.setattr(Connection, "execute", patched)


@pytest.mark.parametrize(
    ("runs_before", "error", "message"),
    [
        (0, TransientError, "its result could not be read: SQLSTATE 42P01"),
        (1, DatabaseError, "run-2 was committed, but is not in pipeline_runs"),
    ],
)
def test_a_commit_that_was_a_rollback_is_noticed(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, runs_before: int, error: type[Exception], message: str
) -> None:
    for _ in range(runs_before):
        runs.load(run_at(1))
    commits(monkeypatch, lambda connection, execute: execute(connection, "ROLLBACK"))
    with pytest.raises(error, match=message):
        runs.load(run_at(2))


def test_a_commit_whose_answer_is_lost_is_found_by_the_next_attempt(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit_and_break(connection: Connection, execute: Any) -> int:
        execute(connection, "COMMIT")
        raise TransientError("lost")

    request = runs.request(run_at(1), EVERYTHING)
    with monkeypatch.context() as patch:
        commits(patch, commit_and_break)
        with pytest.raises(TransientError):
            runs.carry_out(request)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=request.tables[0].chunks[0].key)
    assert runs.carry_out(request).committed
    assert warehouse.count("pipeline_runs") == 1
