"""A run's tables arrive in the warehouse: whole, counted, recorded."""

import csv
import gzip
import io
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import boto3
import pytest

from demand_pipeline.builders import CASES, TABLES
from demand_pipeline.contracts.loading import LoadRequest, StagedChunk, Strategy
from demand_pipeline.deadline import RESERVE_SECONDS, Deadline
from demand_pipeline.errors import (
    DatabaseError,
    DeadlineError,
    DuplicateKeyError,
    ReconciliationError,
    RejectLimitError,
    RunNameTakenError,
    ShrinkLimitError,
    StagingError,
    StaleRunError,
    TransientError,
)
from demand_pipeline.load import copy_csv, merge, temporary_tables, transaction, truncate
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.s3.staging import rejects_key
from tests.conftest import BUCKET, Warehouse
from tests.integration.conftest import (
    UNLIMITED,
    Runs,
    before_placing,
    documents,
    reject,
    row,
    run_at,
)
from tests.integration.test_connection import wait_until_closed

EVERYTHING: dict[str, Any] = {
    "cases": documents(3, tags='{"a,b","c\\"d"}', net_amount=12.50, issue_date="2026-11-23", extra='{"x": 1.10}'),
    "metadata": [row("metadata", document_id="doc-0", field_name="iban", bounding_box="{0.1,NULL}", reviewed=True)],
    "templates": [row("templates", template_id="tpl", version=1, created_at="2026-11-23T00:00:00+00:00")],
    "audit": [],
}


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
    wait_until_closed(warehouse)


def test_a_table_is_replaced_and_counted_against_what_was_there(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(5)})
    [table] = runs.load(run_at(2), {"cases": documents(3, status="new")}).tables
    changes = {Strategy.TRUNCATE: (3, 0, 5), Strategy.MERGE: (0, 3, 2)}[runs.strategy]
    assert (table.loaded, table.inserted, table.updated, table.deleted, table.previous_rows) == (3, *changes, 5)
    assert warehouse.sql("SELECT count(*), min(status) FROM warehouse.cases") == "3|new"


def test_chunks_are_added_up(runs: Runs, warehouse: Warehouse) -> None:
    run = run_at(1)
    rows = documents(10)
    chunks = [runs.chunk(run, "cases", rows[start : start + 4], number=start, sanitized=1) for start in (0, 4, 8)]
    [table] = runs.load(run, {"cases": chunks}).tables
    assert (table.chunks, table.scanned, table.sanitized, table.read_units, table.bytes) == (3, 10, 3, 37.5, 3000)
    assert warehouse.sql("SELECT count(*) FROM warehouse.cases") == "10"


def test_tables_that_the_run_does_not_name_stay_as_they_are(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), EVERYTHING)
    runs.load(run_at(2), {"cases": documents(1)})
    assert warehouse.sql("SELECT count(*) FROM warehouse.metadata") == "1"


def test_a_run_that_is_committed_is_not_loaded_again(runs: Runs, warehouse: Warehouse) -> None:
    first = runs.load(run_at(1), EVERYTHING)
    warehouse.sql("DELETE FROM warehouse.cases")
    boto3.resource("s3").Bucket(BUCKET).objects.delete()
    chunk = StagedChunk("runs/gone", 3, 3, 0, 0, 0.0, 0)
    request = runs.request(run_at(1), {name: [chunk] for name in EVERYTHING})
    assert transaction.load_warehouse(request, warehouse.settings, runs.staging, UNLIMITED) == first
    assert warehouse.sql("SELECT count(*) FROM warehouse.cases") == "0"
    wait_until_closed(warehouse)


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
    message = "run run-1 started at .* another run of this name, started at 2026-11-23 01:00:00.* under another name"
    with pytest.raises(RunNameTakenError, match=message):
        runs.load(replace(run_at(1), **other), {"cases": [chunk]}, **options)
    assert warehouse.sql("SELECT count(*) FROM warehouse.cases") == "2"
    assert warehouse.sql("SELECT count(*) FROM warehouse.pipeline_runs") == "1"
    wait_until_closed(warehouse)


def test_a_run_that_started_before_the_last_one_is_stale_unless_forced(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(2), {"cases": documents(2)})
    with pytest.raises(StaleRunError, match=r"run-1 started at 2026-11-23T01:00:00.*run-2 of 2026-11-23T02:00:00"):
        runs.load(run_at(1), {"cases": documents(1)})
    assert warehouse.sql("SELECT count(*) FROM warehouse.cases") == "2"
    assert runs.load(run_at(1), {"cases": documents(1)}, force=True).committed
    assert warehouse.sql("SELECT count(*) FROM warehouse.cases") == "1"
    wait_until_closed(warehouse)


def test_a_run_of_the_same_moment_is_not_stale(runs: Runs) -> None:
    runs.load(run_at(1))
    twin = run_at(1)
    assert runs.load(type(twin)("twin", twin.arn, twin.started_at)).committed
    with pytest.raises(StaleRunError):
        runs.load(type(twin)("older", twin.arn, twin.started_at - timedelta(milliseconds=1)))


def test_a_dry_run_leaves_no_trace(runs: Runs, warehouse: Warehouse) -> None:
    result = runs.load(run_at(1), EVERYTHING, dry_run=True)
    assert not result.committed
    assert [table.loaded for table in result.tables] == [3, 1, 1, 0]
    assert warehouse.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'warehouse'") == "0"
    runs.load(run_at(2), {"cases": documents(2)})
    warehouse.sql("ALTER TABLE warehouse.cases DROP COLUMN status")
    runs.load(run_at(3), {"cases": documents(9)}, dry_run=True)
    assert warehouse.sql("SELECT count(*) FROM warehouse.cases") == "2"
    assert warehouse.sql("SELECT string_agg(run_id, ',') FROM warehouse.pipeline_runs") == "run-2"
    assert "status" not in warehouse.sql(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'warehouse.cases'::regclass"
    )
    wait_until_closed(warehouse)


def cut(runs: Runs, chunk: StagedChunk) -> None:
    s3 = boto3.client("s3")
    answer = s3.get_object(Bucket=BUCKET, Key=chunk.key)
    s3.put_object(Bucket=BUCKET, Key=chunk.key, Metadata=answer["Metadata"], Body=answer["Body"].read()[:-9])


def lose(runs: Runs, chunk: StagedChunk) -> None:
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=chunk.key)


def add_row(runs: Runs, chunk: StagedChunk) -> None:
    rewrite(runs, chunk, [*documents(3), row("cases", document_id="one more")])


def lose_row(runs: Runs, chunk: StagedChunk) -> None:
    rewrite(runs, chunk, documents(2))


def add_column(runs: Runs, chunk: StagedChunk) -> None:
    rewrite(runs, chunk, [[*values, "more"] for values in documents(3)])


def lose_column(runs: Runs, chunk: StagedChunk) -> None:
    rewrite(runs, chunk, [values[:-1] for values in documents(3)])


def break_type(runs: Runs, chunk: StagedChunk) -> None:
    rewrite(runs, chunk, documents(3, page_count="tel. 555-0199"))


def break_json(runs: Runs, chunk: StagedChunk) -> None:
    rewrite(runs, chunk, [*documents(2), {"tel": "555-0199"}])


def rewrite(runs: Runs, chunk: StagedChunk, rows: list[Any]) -> None:
    with runs.staging.create(chunk.key, CASES) as stream:
        stream.writelines([json.dumps(values, separators=(",", ":")).encode() + b"\n" for values in rows])


@pytest.mark.parametrize(
    "damage",
    [cut, lose, add_row, lose_row, add_column, lose_column, break_type, break_json],
    ids=lambda do: do.__name__,
)
def test_a_damaged_staged_object_loads_nothing(runs: Runs, warehouse: Warehouse, damage: Any) -> None:
    runs.load(run_at(1), {"cases": documents(2), "audit": []})
    run = run_at(2)
    chunks = [runs.chunk(run, "cases", documents(3), number=number) for number in (0, 1)]
    damage(runs, chunks[1])
    with pytest.raises(StagingError) as caught:
        runs.load(run, {"audit": [row("audit", audit_id="a")], "cases": chunks})
    assert chunks[1].key in str(caught.value)
    assert "555-0199" not in str(caught.value) + repr(caught.value.__cause__)
    assert (
        warehouse.sql("SELECT (SELECT count(*) FROM warehouse.cases), (SELECT count(*) FROM warehouse.audit)") == "2|0"
    )
    assert warehouse.sql("SELECT count(*) FROM warehouse.pipeline_runs") == "1"
    wait_until_closed(warehouse)


def test_counts_that_do_not_add_up_are_refused(runs: Runs, warehouse: Warehouse) -> None:
    run = run_at(1)
    chunk = runs.chunk(run, "cases", documents(3), scanned=4)
    with pytest.raises(ReconciliationError, match=r"cases: .* 4 items scanned, but 3 staged and 0 rejected"):
        runs.load(run, {"cases": [chunk]})


def test_rows_that_vanish_on_their_way_into_the_table_are_noticed(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    warehouse.sql(
        "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER swallow BEFORE INSERT ON warehouse.cases FOR EACH ROW EXECUTE FUNCTION public.swallow()"
    )
    left = {Strategy.TRUNCATE: 0, Strategy.MERGE: 2}[runs.strategy]
    with pytest.raises(ReconciliationError, match=f"cases: 3 rows staged, but {left} in the table"):
        runs.load(run_at(2), {"cases": documents(3)})
    assert warehouse.sql("SELECT count(*) FROM warehouse.cases") == "2"
    wait_until_closed(warehouse)


def test_two_rows_with_one_key_are_refused_without_telling_it(runs: Runs, warehouse: Warehouse) -> None:
    with pytest.raises(DuplicateKeyError, match="table cases, constraint cases_pkey") as caught:
        runs.load(run_at(1), {"cases": [row("cases", document_id="tel-555")] * 2})
    assert "tel-555" not in str(caught.value)
    assert caught.value.__context__ is None  # the driver's error holds the row
    wait_until_closed(warehouse)


def test_more_rejects_than_the_limit_load_nothing(runs: Runs, warehouse: Warehouse) -> None:
    run = run_at(1)
    chunk = runs.chunk(run, "cases", documents(97), [reject(f"bad-{number}") for number in range(3)])
    with pytest.raises(RejectLimitError, match=r"cases: 3 of 100 items rejected, 3.00%, .*MaxRejectPercent.* is 2.5"):
        runs.load(run, {"cases": [chunk]}, max_reject_percent=2.5)
    assert runs.load(run, {"cases": [chunk]}, max_reject_percent=3).committed


def test_rejects_lie_in_the_warehouse_whole_and_only_the_last_runs(runs: Runs, warehouse: Warehouse) -> None:
    odd = {
        "key": {"documentId": {"S": "b\0\n"}},
        "reason": "odd\0 reason\n",
        "item": {
            "documentId": {"S": "b\0\n"},
            "n": {"N": "1E+125"},
            "b": {"B": "AA=="},
            "s": {"NS": ["10", "9"]},
            "z": {"NULL": True},
        },
    }
    for hour in (1, 2):
        run = run_at(hour)
        chunks = [
            runs.chunk(run, "cases", documents(1), [reject(f"a-{hour}")]),
            runs.chunk(run, "cases", [], [odd], number=1),
        ]
        runs.load(run, {"cases": chunks}, max_reject_percent=100)
    other = runs.chunk(run_at(3), "templates", [], [reject("t")])
    [table] = runs.load(run_at(3), {"templates": [other]}, max_reject_percent=100).tables
    assert (table.scanned, table.staged, table.rejected) == (1, 0, 1)
    shown = warehouse.sql(
        "SELECT run_id, table_name, item_key, reason FROM warehouse.rejected_items ORDER BY reason, run_id"
    )
    assert shown.splitlines()[0] == 'run-2|cases|{"documentId": "a-2"}|issue_date: expected date, got S \'x\''
    assert shown.splitlines()[1].startswith("run-3|templates|")
    odd_item = warehouse.sql("SELECT item FROM warehouse.rejected_items WHERE reason LIKE 'odd%'")
    number = "1" + "0" * 125
    assert odd_item == f'{{"b": "AA==", "n": {number}, "s": [9, 10], "z": null, "documentId": "b\ufffd\\n"}}'


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b'{"key": {}}\n'],
        [b"[]\n"],
        [b"tel. 555-0199\n"],
        [b'{"key":{},"reason":"","item":{"x":{"N":"555-0199"}}}\n'],
    ],
)
def test_a_damaged_rejects_object_loads_nothing(runs: Runs, warehouse: Warehouse, lines: list[bytes]) -> None:
    run = run_at(1)
    chunk = runs.chunk(run, "cases", documents(1), [reject("a")])
    with runs.staging.create(rejects_key(chunk.key)) as stream:
        stream.writelines(lines)
    with pytest.raises(StagingError) as caught:
        runs.load(run, {"cases": [chunk]}, max_reject_percent=100)
    assert rejects_key(chunk.key) in str(caught.value)
    assert "555-0199" not in str(caught.value)
    wait_until_closed(warehouse)


def test_a_table_that_would_shrink_by_more_than_the_limit_stays(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(100)}, max_shrink_percent=0)
    with pytest.raises(
        ShrinkLimitError, match=r"cases: 89 rows staged, 100 in the table, 11.00% fewer, .*MaxShrinkPercent.* is 10"
    ):
        runs.load(run_at(2), {"cases": documents(89)}, max_shrink_percent=10)
    assert runs.load(run_at(2), {"cases": documents(90)}, max_shrink_percent=10).committed
    assert runs.load(run_at(3), {"cases": []}).committed  # the limit is off by default


LATE = int(RESERVE_SECONDS * 1000)


class Clock:
    """Lambda's remaining time; it runs out when told to."""

    left = 900_000

    def __call__(self) -> int:
        return self.left


ADVICE = (
    "nothing was changed. Load fewer tables a run (run input: tables), or give the database a larger instance class"
)


def test_a_load_that_is_late_in_copying_says_how_far_it_came(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    chunks = [runs.chunk(run_at(2), "cases", documents(3)), runs.chunk(run_at(2), "cases", [], number=1)]
    chunks.append(runs.chunk(run_at(2), "cases", [row("cases", document_id="last")], number=2))
    clock, convert = Clock(), copy_csv._convert

    def slow(lines: bytes) -> bytes:
        clock.left = LATE if b"last" in lines else clock.left
        return convert(lines)

    monkeypatch.setattr(copy_csv, "_convert", slow)
    with pytest.raises(DeadlineError) as caught:
        transaction.load_warehouse(
            runs.request(run_at(2), {"cases": chunks}), warehouse.settings, runs.staging, Deadline(clock)
        )
    assert str(caught.value) == f"out of time at cases, chunk 3 of 3, 3 of 4 rows copied; {ADVICE}"
    wait_until_closed(warehouse)
    assert warehouse.sql("SELECT count(*) FROM warehouse.cases") == "2"


def test_a_load_that_is_late_in_putting_rows_in_place_is_cut_off_and_says_so(
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
    monkeypatch.setattr(truncate, "fill", slow)
    monkeypatch.setattr(merge, "update", slow)
    start = time.monotonic()
    with pytest.raises(DeadlineError) as caught:
        transaction.load_warehouse(runs.request(run_at(2)), warehouse.settings, runs.staging, Deadline(clock))
    assert str(caught.value) == f"out of time at cases, all 1 rows copied, not yet written to the target; {ADVICE}"
    assert time.monotonic() - start < 5
    wait_until_closed(warehouse)
    assert warehouse.sql("SELECT count(*) FROM warehouse.cases") == "2"


@pytest.mark.parametrize(
    ("place", "done"),
    [
        ((transaction, "refuse_stale"), "the start, no row copied"),
        ((transaction._Load, "_count_previous"), "the start, no row copied"),
        ((temporary_tables.ChunkCopier, "copy_rejects"), "cases, not yet staged"),
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
    with pytest.raises(DeadlineError) as caught:
        transaction.load_warehouse(runs.request(run_at(2)), warehouse.settings, runs.staging, Deadline(clock))
    assert str(caught.value) == f"out of time at {done}; {ADVICE}"


def test_a_long_chunk_is_copied_in_statements_of_bounded_length(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[str] = []
    copy_in = Connection.copy_in

    def counted(connection: Connection, sql: str, blocks: Any) -> int:
        copies.append(sql)
        return copy_in(connection, sql, blocks)

    monkeypatch.setattr(Connection, "copy_in", counted)
    monkeypatch.setattr(copy_csv, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(temporary_tables, "_FEED_SECONDS", 0)
    assert runs.load(run_at(1), {"cases": documents(100)}).tables[0].loaded == 100
    assert len(copies) > 5


def test_items_whose_keys_become_equal_are_rejected_but_for_the_first(runs: Runs, warehouse: Warehouse) -> None:
    twins = [row("cases", document_id="a\ufffd", status=status, extra='{"n": 1.50}') for status in ("one", "two")]
    first = runs.chunk(run_at(1), "cases", [twins[0], *documents(97)], sanitized=1)
    second = runs.chunk(run_at(1), "cases", [twins[1], row("cases", document_id="\ufffd")], number=1, sanitized=1)
    result = runs.load(run_at(1), {"cases": [first, second]})
    [table] = result.tables
    assert (table.scanned, table.staged, table.rejected, table.loaded) == (100, 99, 1, 99)
    assert warehouse.sql("SELECT status FROM warehouse.cases WHERE document_id = U&'a\\FFFD'") == "one"
    assert warehouse.sql("SELECT item_key, reason, item->>'status', item->'extra' FROM warehouse.rejected_items") == (
        '{"documentId": "a\ufffd"}|key: expected one of its own, got another item\'s once U+0000 is U+FFFD|two|{"n": 1.50}'
    )
    assert warehouse.sql("SELECT staged, rejected, loaded FROM warehouse.pipeline_run_tables") == "99|1|99"


def test_rejects_for_their_keys_count_as_rejects(runs: Runs) -> None:
    chunk = runs.chunk(run_at(1), "cases", [row("cases", document_id="\ufffd")] * 2, sanitized=2)
    with pytest.raises(RejectLimitError, match=r"cases: 1 of 2 items rejected.*; 1 had another item's key once"):
        runs.load(run_at(1), {"cases": [chunk]})


@pytest.mark.parametrize(("key", "sanitized"), [("a", 2), ("\ufffd", 0)])
def test_equal_keys_that_were_not_replaced_are_a_mistake(runs: Runs, key: str, sanitized: int) -> None:
    chunk = runs.chunk(run_at(1), "cases", [row("cases", document_id=key)] * 2, sanitized=sanitized)
    with pytest.raises(DuplicateKeyError):
        runs.load(run_at(1), {"cases": [chunk]}, max_reject_percent=100)


def commits(monkeypatch: pytest.MonkeyPatch, instead: Any) -> None:
    execute = Connection.execute

    def patched(connection: Connection, sql: str, **parameters: Any) -> int:
        return execute(connection, sql, **parameters) if sql != "COMMIT" else instead(connection, execute)

    monkeypatch.setattr(Connection, "execute", patched)


def test_a_commit_that_was_a_rollback_is_noticed(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    commits(monkeypatch, lambda connection, execute: execute(connection, "ROLLBACK"))
    runs_before = run_at(1)
    with pytest.raises(DatabaseError):
        runs.load(runs_before)


def test_a_commit_that_was_a_rollback_is_noticed_in_an_older_warehouse(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1))
    commits(monkeypatch, lambda connection, execute: execute(connection, "ROLLBACK"))
    with pytest.raises(DatabaseError, match="run-2 was committed, but is not in pipeline_runs"):
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
            transaction.load_warehouse(request, warehouse.settings, runs.staging, UNLIMITED)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=request.tables[0].chunks[0].key)
    assert transaction.load_warehouse(request, warehouse.settings, runs.staging, UNLIMITED).committed
    assert warehouse.sql("SELECT count(*) FROM warehouse.pipeline_runs") == "1"


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


def test_a_load_needs_no_more_memory_for_more_rows(runs: Runs) -> None:
    import tracemalloc  # noqa: PLC0415 - slows down what runs while it is on

    run = run_at(1)
    peaks = []
    for number, count in enumerate((2_000, 20_000)):
        rows = [row("cases", document_id=f"{number}-{index}", supplier_name="x" * 500) for index in range(count)]
        request: LoadRequest = runs.request(run_at(number), {"cases": [runs.chunk(run, "cases", rows, number=number)]})
        del rows
        tracemalloc.start()
        transaction.load_warehouse(request, runs.warehouse.settings, runs.staging, UNLIMITED)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (4 << 20)
