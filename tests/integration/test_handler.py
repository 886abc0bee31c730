"""The function LoadWarehouse as Lambda calls it."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.loading import LoadRequest
from demand_pipeline.errors import ConfigurationError, InvalidEventError, ReconciliationError, RejectLimitError
from functions.load_warehouse.app import lambda_handler
from tests.support.aws import STACK
from tests.support.functions import Context
from tests.support.runs import Runs, documents, reject, row, run_at
from tests.support.warehouse import Warehouse


def event(request: LoadRequest) -> dict[str, Any]:
    """The request as the state machine passes it."""
    run = {"id": request.run.id, "arn": request.run.arn, "startedAt": request.run.started_at.isoformat()}
    tables = []
    for staged in request.tables:
        chunks = [
            {("readUnits" if name == "read_units" else name): value for name, value in asdict(chunk).items()}
            for chunk in staged.chunks
        ]
        tables.append({"table": staged.table.name, "segments": [{"segment": 0, "chunks": chunks}]})
    return {
        "contract": CONTRACT,
        "run": run,
        "step": request.step,
        "input": request.input,
        "dryRun": request.dry_run,
        "saveCsv": request.save_csv,
        "force": request.force,
        "strategy": request.strategy,
        "keepPrevious": request.keep_previous,
        "maxRejectPercent": request.max_reject_percent,
        "maxShrinkPercent": request.max_shrink_percent,
        "tables": tables,
    }


def metrics(output: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in output.splitlines()]
    return [record for record in records if "_aws" in record]


def test_the_answer_is_what_the_load_came_to(
    runs: Runs, context: Context, environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_at(1)
    tables = {"audit": [row("audit", audit_id="a")], "cases": [runs.chunk(run, "cases", documents(99), [reject("x")])]}
    answer = lambda_handler(event(runs.request(run, tables)), context)  # type: ignore[arg-type]
    assert answer["committed"]
    audit, cases = json.loads(json.dumps(answer))["tables"]
    assert audit.pop("loadSeconds") > 0
    assert audit == {
        "table": "audit",
        "segments": 1,
        "chunks": 1,
        "scanned": 1,
        "staged": 1,
        "rejected": 0,
        "sanitized": 0,
        "loaded": 1,
        "inserted": 1,
        "updated": 0,
        "deleted": 0,
        "previousRows": 0,
        "readUnits": 12.5,
        "bytes": 1000,
    }
    assert (cases["table"], cases["scanned"], cases["rejected"], cases["loaded"]) == ("cases", 100, 1, 99)
    measured = {
        (record.get("table"), name): record[name] for record in metrics(capsys.readouterr().out) for name in record
    }
    assert measured["cases", "RowsLoaded"] == [99.0]
    assert measured["audit", "RowsLoaded"] == [1.0]


def refreshed(output: str) -> list[str]:
    """The tables that are said to be refreshed, in the very form that the alarm asks for."""
    tables = []
    for record in metrics(output):
        [directive] = record["_aws"]["CloudWatchMetrics"]
        if {"Name": "TableRefreshed", "Unit": "Count"} in directive["Metrics"]:
            assert directive["Namespace"] == "DemandPipeline"
            assert [sorted(names) for names in directive["Dimensions"]] == [["service", "stack", "table"]]
            assert (record["service"], record["stack"], record["TableRefreshed"]) == ("demand-pipeline", STACK, [1.0])
            tables.append(record["table"])
    return tables


def test_each_committed_load_says_that_its_tables_are_refreshed_and_no_dry_run_does(
    runs: Runs, context: Context, environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = {"cases": documents(3), "audit": []}
    lambda_handler(event(runs.request(run_at(1), tables, dry_run=True)), context)  # type: ignore[arg-type]
    assert refreshed(capsys.readouterr().out) == []
    message = event(runs.request(run_at(1), tables))
    for _ in range(2):  # the second time as a redrive, for which the run is already committed
        lambda_handler(message, context)  # type: ignore[arg-type]
        assert refreshed(capsys.readouterr().out) == ["cases", "audit"]
    changes = event(runs.request(run_at(2), tables, max_reject_percent=100))
    changes["tables"][0]["segments"][0]["chunks"][0]["staged"] += 1
    with pytest.raises(ReconciliationError):
        lambda_handler(changes, context)  # type: ignore[arg-type]
    assert refreshed(capsys.readouterr().out) == []


def test_every_metric_carries_the_stack(
    runs: Runs, context: Context, environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    lambda_handler(event(runs.request(run_at(1))), context)  # type: ignore[arg-type]
    records = metrics(capsys.readouterr().out)
    assert {name for record in records for name in record} >= {"RowsLoaded", "RowsDeleted", "LoadSeconds"}
    for record in records:
        [directive] = record["_aws"]["CloudWatchMetrics"]
        assert (record["stack"], *directive["Dimensions"]) == (STACK, ["stack", "table", "service"])


@pytest.mark.usefixtures("environment")
def test_a_load_without_the_stacks_name_fails_before_it_starts(
    runs: Runs, warehouse: Warehouse, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = event(runs.request(run_at(1)))
    monkeypatch.setenv("STACK_NAME", "")
    with pytest.raises(ConfigurationError, match="environment variable STACK_NAME is missing or empty"):
        lambda_handler(message, context)  # type: ignore[arg-type]
    assert warehouse.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'warehouse'") == "0"


def test_a_redriven_handler_gives_the_same_answer(runs: Runs, context: Context, environment: None) -> None:
    message = event(runs.request(run_at(1), {"cases": documents(3), "audit": []}))
    first = lambda_handler(message, context)  # type: ignore[arg-type]
    assert first.pop("schemaChanges")  # which were this call's
    assert lambda_handler(message, context) == {**first, "schemaChanges": []}  # type: ignore[arg-type]


def test_every_log_record_names_the_run_and_none_the_password(
    runs: Runs, warehouse: Warehouse, context: Context, environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_at(1)
    chunk = runs.chunk(run, "cases", [], [reject("tel-555")])
    with pytest.raises(RejectLimitError):
        lambda_handler(event(runs.request(run, {"cases": [chunk]})), context)  # type: ignore[arg-type]
    request = runs.request(run, {"cases": [chunk]}, max_reject_percent=100)
    lambda_handler(event(request), context)  # type: ignore[arg-type]
    output = capsys.readouterr().out
    records = [json.loads(line) for line in output.splitlines()]
    assert all(record["run"] == "run-1" for record in records if "_aws" not in record)
    assert warehouse.server.password not in output
    assert "tel-555" not in output


def test_a_malformed_event_is_named(context: Context, environment: None) -> None:
    with pytest.raises(InvalidEventError, match="tables"):
        lambda_handler({"contract": CONTRACT}, context)  # type: ignore[arg-type]


def test_a_committed_load_counts_each_table_that_lost_more_than_a_fifth_of_its_rows(
    runs: Runs, context: Context, environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(number: int, rows: int, *, dry_run: bool = False) -> dict[str, float]:
        tables = {"cases": documents(rows), "audit": []}
        lambda_handler(event(runs.request(run_at(number), tables, dry_run=dry_run)), context)  # type: ignore[arg-type]
        written = metrics(capsys.readouterr().out)
        return {each["table"]: each["TableShrunk"][0] for each in written if "TableShrunk" in each}

    assert load(1, 5) == {"cases": 0, "audit": 0}
    assert load(2, 4) == {"cases": 0, "audit": 0}
    assert load(3, 0, dry_run=True) == {}
    assert load(4, 3) == {"cases": 1, "audit": 0}
    assert load(5, 0) == {"cases": 1, "audit": 0}
