"""A run's tables arrive in the warehouse: whole, counted, recorded."""

import csv
import gzip
import io
from typing import Any

import boto3
import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.session import open_session
from tests.integration.conftest import EVERY_STRATEGY, before_placing
from tests.support.aws import BUCKET
from tests.support.runs import EVERYTHING, Runs, documents, row, run_at
from tests.support.warehouse import Warehouse

pytestmark = EVERY_STRATEGY


def test_all_tables_arrive_and_the_run_is_recorded(runs: Runs, warehouse: Warehouse) -> None:
    result = runs.load(run_at(1), EVERYTHING, input={"saveCsv": False})
    assert result.committed
    assert {table.table: table.loaded for table in result.tables} == {
        "cases": 3,
        "metadata": 1,
        "templates": 1,
        "audit": 0,
    }
    shown = warehouse.sql(
        "SELECT document_id, net_amount, issue_date, tags[1], extra FROM warehouse.cases ORDER BY 1 LIMIT 1"
    )
    assert shown == 'doc-0|12.5|2026-11-23|a,b|{"x": 1.10}'
    shown = warehouse.sql("SELECT run_id, execution_arn, started_at, input, status FROM warehouse.pipeline_runs")
    assert shown == 'run-1|arn:aws:states:::execution:run-1|2026-11-23 01:00:00+00|{"saveCsv": false}|committed'
    counts = warehouse.sql(
        "SELECT table_name, segments, chunks, scanned, staged, rejected, sanitized, loaded, inserted, updated, deleted, "
        "previous_rows, read_units, bytes, load_seconds > 0 FROM warehouse.pipeline_run_tables WHERE table_name = 'cases'"
    )
    assert counts == "cases|1|1|3|3|0|0|3|3|0|0|0|12.5|1000|t"
    warehouse.wait_until_closed()


def test_a_table_is_replaced_and_counted_against_what_was_there(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(5)})
    [table] = runs.load(run_at(2), {"cases": documents(3, status="new")}).tables
    changes = {Strategy.TRUNCATE: (3, 0, 5), Strategy.MERGE: (0, 3, 2), Strategy.SWAP: (3, 0, 5)}[runs.strategy]
    assert (table.loaded, table.inserted, table.updated, table.deleted, table.previous_rows) == (3, *changes, 5)
    assert warehouse.sql("SELECT count(*), min(status) FROM warehouse.cases") == "3|new"


def test_chunks_are_added_up(runs: Runs, warehouse: Warehouse) -> None:
    run = run_at(1)
    rows = documents(10)
    chunks = [runs.chunk(run, "cases", rows[start : start + 4], number=start, sanitized=1) for start in (0, 4, 8)]
    [table] = runs.load(run, {"cases": chunks}).tables
    assert (table.chunks, table.scanned, table.sanitized, table.read_units, table.bytes) == (3, 10, 3, 37.5, 3000)
    assert warehouse.count("cases") == 10


def test_tables_that_the_run_does_not_name_stay_as_they_are(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), EVERYTHING)
    runs.load(run_at(2), {"cases": documents(1)})
    assert warehouse.count("metadata") == 1


def test_a_dry_run_leaves_no_trace(runs: Runs, warehouse: Warehouse) -> None:
    result = runs.load(run_at(1), EVERYTHING, dry_run=True)
    assert not result.committed
    assert [table.loaded for table in result.tables] == [3, 1, 1, 0]
    assert warehouse.sql("SELECT nspname FROM pg_namespace WHERE nspname ~ 'warehouse'") == ""
    runs.load(run_at(2), {"cases": documents(2)})
    warehouse.sql("ALTER TABLE warehouse.cases DROP COLUMN status")
    runs.load(run_at(3), {"cases": documents(9)}, dry_run=True)
    assert warehouse.count("cases") == 2
    assert warehouse.sql("SELECT string_agg(run_id, ',') FROM warehouse.pipeline_runs") == "run-2"
    assert "status" not in warehouse.sql(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'warehouse.cases'::regclass"
    )
    warehouse.wait_until_closed()


def test_an_export_holds_what_the_table_holds(runs: Runs, warehouse: Warehouse) -> None:
    texts = ["", "null", 'a "b"', "c,d", "e\nf", "\\N", "\\.", "ünï", None]
    rows = [
        row("cases", document_id=f"{number}", status=text, content_hash="\\x00ff") for number, text in enumerate(texts)
    ]
    runs.load(run_at(1), {"cases": rows}, save_csv=True)
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key="exports/run-1/cases.csv.gz")["Body"].read()
    content = gzip.decompress(body).decode()
    header, *records = csv.reader(io.StringIO(content, newline=""))
    assert header == [column.name for column in TABLES["cases"].stored_columns]
    assert [record[5] for record in records] == [text or "" for text in texts]
    warehouse.sql("CREATE TABLE public.again (LIKE warehouse.cases); ALTER TABLE public.again OWNER TO pipeline")
    with open_session(warehouse.settings, "again", Timeouts()) as connection:
        connection.copy_in("COPY public.again FROM STDIN WITH (FORMAT csv, HEADER)", [content.encode()])
    assert warehouse.sql("TABLE public.again EXCEPT TABLE warehouse.cases") == ""
    assert warehouse.sql("SELECT count(*) FROM public.again") == str(len(texts))


def test_the_lock_is_taken_when_everything_is_staged_and_checked(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1), {"cases": documents(1), "audit": []})
    at_lock: list[str] = []

    def watch(_: Any) -> None:
        at_lock.append(warehouse.sql("SET lock_timeout = 100; SELECT count(*) FROM warehouse.cases"))
        at_lock.append(str(len(boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="exports/")["Contents"])))

    before_placing(monkeypatch, watch)
    runs.load(run_at(2), {"cases": documents(5), "audit": [row("audit", audit_id="a")]}, save_csv=True)
    assert at_lock == ["1", "2"]
