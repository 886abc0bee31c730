"""The real state machine over the real functions: DynamoDB and S3 by moto, PostgreSQL for real."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.deadline import RESERVE_SECONDS, Deadline
from demand_pipeline.tables import camel_case
from functions.transform import app as transform_function
from local.sample import put
from local.sample_values import SPOILT
from local.seed import key_item
from tests.statemachine.conftest import Pipeline
from tests.statemachine.fakes import failing
from tests.statemachine.harness import Run, Task, TaskFailed
from tests.support import functions
from tests.support.aws import BUCKET

pytestmark = pytest.mark.long

UNFIT = {kind: value for kind, value in SPOILT.items() if value.keys() & {"S", "N"}}
FIRST, SECOND, *_, LAST = TABLES
COUNTED = ("scanned", "staged", "rejected", "loaded")


def items_of(table: str, count: int, **attributes: Any) -> list[dict[str, Any]]:
    """`count` items of a table, with nothing but their keys and these attributes."""
    return [{**key_item(TABLES[table], number), **attributes} for number in range(1, count + 1)]


def unfit(table: str) -> tuple[dict[str, Any], str]:
    """An item that must be rejected, and the reason."""
    column = next(column for column in TABLES[table].columns if column.type in UNFIT and not column.key)
    item = key_item(TABLES[table], 1000)
    put(item, column, UNFIT[column.type])
    [(kind, value)] = UNFIT[column.type].items()
    return item, f"{column.name}: expected {column.type}, got {kind} '{value}'"


def of_every_table(count: int) -> dict[str, list[dict[str, Any]]]:
    """`count` small items for each table."""
    return {table: items_of(table, count) for table in TABLES}


def counted(run: Run) -> dict[str, tuple[int, ...]]:
    """Scanned, staged, rejected and loaded of each table, as the run says."""
    return {table["table"]: tuple(table[count] for count in COUNTED) for table in run.output["tables"]}


def succeeded(run: Run) -> Run:
    assert (run.status, run.cause) == ("SUCCEEDED", None)
    return run


@pytest.fixture(autouse=True)
def _leaves_no_session_behind(pipeline: Pipeline) -> Iterator[None]:
    yield
    assert pipeline.warehouse.sessions() == 0


def test_where_each_scan_returns_data_every_builders_rows_arrive(pipeline: Pipeline) -> None:
    pipeline.put(
        "cases",
        [
            {
                "documentId": {"S": "doc-1"},
                "amounts": {"M": {"net": {"N": "12345678901234567890123456789012345678"}, "tip": {"N": "1"}}},
                "issueDate": {"S": "2026-11-23"},
                "parties": {"M": {"supplier": {"M": {"name": {"S": 'Łódź 😀 "Ltd"'}}}}},
                "tags": {"SS": ["b", "a"]},
                "version": {"N": "1E+1"},
            }
        ],
    )
    pipeline.put(
        "metadata", [{"documentId": {"S": "doc-1"}, "fieldName": {"S": "total"}, "value": {"L": [{"N": "1.50"}]}}]
    )
    pipeline.put(
        "templates", [{"templateId": {"S": "t"}, "version": {"N": "2"}, "isActive": {"S": "TRUE"}, "name": {"S": ""}}]
    )
    pipeline.put("audit", [{"auditId": {"S": "a"}, "occurredAt": {"N": "1795414197"}, "newValues": {"NULL": True}}])
    with pipeline.machine(MinSegments=3) as machine:
        run = succeeded(machine.start({}))
    four = ("cases", "metadata", "templates", "audit")
    assert counted(run) == dict.fromkeys(TABLES, (0, 0, 0, 0)) | dict.fromkeys(four, (1, 1, 0, 1))
    assert pipeline.sql(
        "SELECT document_id, net_amount, issue_date, supplier_name, tags, version, extra FROM cases"
    ) == ['doc-1|12345678901234567890123456789012345678|2026-11-23|Łódź 😀 "Ltd"|{a,b}|10|{"amounts": {"tip": 1}}']
    assert pipeline.sql("SELECT document_id, field_name, field_value FROM metadata") == ["doc-1|total|[1.50]"]
    assert pipeline.sql("SELECT template_id, version, is_active, name = '' FROM templates") == ["t|2|t|t"]
    assert pipeline.sql("SELECT audit_id, occurred_at AT TIME ZONE 'UTC', new_values FROM audit") == [
        "a|2026-11-23 06:09:57|"
    ]


def test_empty_tables_complete_and_load_empty_sets(pipeline: Pipeline) -> None:
    with pipeline.machine(MinSegments=3) as machine:
        run = succeeded(machine.start({}))
    assert run.output["committed"]
    assert counted(run) == dict.fromkeys(TABLES, (0, 0, 0, 0))
    assert pipeline.counts() == dict.fromkeys(TABLES, 0)


def test_a_source_that_was_emptied_empties_its_table_and_no_other(pipeline: Pipeline) -> None:
    for table, items in of_every_table(5).items():
        pipeline.put(table, items)
    with pipeline.machine() as machine:
        succeeded(machine.start({}))
        for key in items_of(LAST, 5):
            pipeline.dynamodb.delete_item(TableName=TABLES[LAST].source, Key=key)
        run = succeeded(machine.start({}))
    assert pipeline.counts() == dict.fromkeys(TABLES, 5) | {LAST: 0}
    emptied = run.output["tables"][-1]
    assert (emptied["previousRows"], emptied["deleted"], emptied["loaded"]) == (5, 5, 0)


def test_a_source_that_was_made_again_with_another_key_fails_the_run_and_empties_nothing(pipeline: Pipeline) -> None:
    pipeline.put(FIRST, items_of(FIRST, 5))
    source, key = TABLES[FIRST].source, {"AttributeName": "id", "AttributeType": "S"}
    with pipeline.machine() as machine:
        succeeded(machine.start({"tables": [FIRST]}))
        pipeline.dynamodb.delete_table(TableName=source)
        pipeline.dynamodb.create_table(
            TableName=source,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[key],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        run = machine.start({"tables": [FIRST]})
    assert (run.status, run.error) == ("FAILED", "SourceMismatchError")
    assert f"as {FIRST} is declared, found id" in str(run.cause)
    assert pipeline.counts()[FIRST] == 5


def test_segments_and_chunks_together_bring_every_item_once(pipeline: Pipeline) -> None:
    pipeline.put(FIRST, items_of(FIRST, 300, note={"S": "x" * 20_000}))
    with pipeline.machine(MinSegments=2, ChunkBytes=1) as machine:
        run = succeeded(machine.start({"tables": [FIRST]}))
    chunks = [event["chunk"] for event in machine.events("ScanSegment")]
    assert max(chunks) >= 1  # a page ends at 1 MB, and 6 MB lie in two segments, which are read in halves
    assert counted(run) == {FIRST: (300, 300, 0, 300)}
    assert run.output["tables"][0]["chunks"] == len(chunks)
    assert pipeline.counts() == {FIRST: 300}


def test_transforms_out_of_time_bring_every_item_once(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.put(FIRST, items_of(FIRST, 150, note={"S": "x" * 20_000}))
    pipeline.put(FIRST, [unfit(FIRST)[0]])
    monkeypatch.setattr(transform_function, "Deadline", lambda _: Deadline(lambda: int(RESERVE_SECONDS * 1000)))
    with pipeline.machine() as machine:
        run = succeeded(machine.start({"tables": [FIRST]}))
    pages = [event["raw"]["page"] for event in machine.events(f"Transform{camel_case(FIRST)}")]
    assert pages == [0, 1, 2, 3]  # a page ends at 1 MB
    assert len(machine.events("ScanSegment")) == 1
    assert counted(run) == {FIRST: (151, 150, 1, 150)}
    assert run.output["tables"][0]["chunks"] == 4


def test_the_counts_of_a_run_add_up_and_are_kept_in_the_warehouse(pipeline: Pipeline) -> None:
    pipeline.put(FIRST, items_of(FIRST, 199, note={"S": "a\0b"}))
    wrong, reason = unfit(FIRST)
    pipeline.put(FIRST, [wrong])
    with pipeline.machine(MinSegments=3) as machine:
        run = succeeded(machine.start({"tables": [FIRST]}))
    assert counted(run) == {FIRST: (200, 199, 1, 199)}
    assert pipeline.sql(
        "SELECT segments, scanned, staged, rejected, sanitized, loaded, inserted FROM pipeline_run_tables"
    ) == ["3|200|199|1|199|199|199"]
    assert pipeline.sql("SELECT reason FROM rejected_items") == [reason]


def without_a_row(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A transform that says that it staged one row less than it was given, and rejected none."""
    result = transform_function.lambda_handler(event, context)
    return result | {"staged": result["staged"] - 1}


def with_a_row_more(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A transform that says that it staged one row more than there is in its chunk."""
    result = transform_function.lambda_handler(event, context)
    return result | {"scanned": result["scanned"] + 1, "staged": result["staged"] + 1}


def whose_object_is_gone(event: dict[str, Any], context: Any) -> dict[str, Any]:
    result = transform_function.lambda_handler(event, context)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=result["key"])
    return result


@pytest.mark.parametrize(
    ("transform", "errors"),
    [
        (without_a_row, {"ReconciliationError"}),
        (with_a_row_more, {"ReconciliationError", "StagingError"}),
        (whose_object_is_gone, {"StagingError"}),
    ],
)
def test_counts_that_do_not_add_up_leave_every_table_as_it_was(
    pipeline: Pipeline, transform: Callable[..., Any], errors: set[str]
) -> None:
    for table, items in of_every_table(3).items():
        pipeline.put(table, items)
    with pipeline.machine() as machine:
        succeeded(machine.start({}))
    for table, items in of_every_table(9).items():
        pipeline.put(table, items)
    with pipeline.machine(handlers={f"Transform{camel_case(FIRST)}": transform}) as machine:
        run = machine.start({})
    assert run.status == "FAILED"
    assert run.error in errors
    assert pipeline.counts() == dict.fromkeys(TABLES, 3)
    assert pipeline.sql("SELECT count(*) FROM pipeline_runs") == ["1"]


def test_more_rejects_than_allowed_fail_the_run_unless_its_input_allows_them(pipeline: Pipeline) -> None:
    pipeline.put(LAST, [unfit(LAST)[0]])
    with pipeline.machine() as machine:
        run = machine.start({"tables": [LAST]})
        assert (run.status, run.error) == ("FAILED", "RejectLimitError")
        run = succeeded(machine.start({"tables": [LAST], "maxRejectPercent": 100}))
    assert counted(run) == {LAST: (1, 0, 1, 0)}


def test_a_dry_run_counts_everything_and_changes_nothing(pipeline: Pipeline) -> None:
    pipeline.put(LAST, items_of(LAST, 3))
    with pipeline.machine() as machine:
        succeeded(machine.start({"tables": [LAST]}))
        pipeline.put(LAST, items_of(LAST, 8))
        run = succeeded(machine.start({"tables": [LAST], "dryRun": True}))
    assert (run.output["committed"], counted(run)) == (False, {LAST: (8, 8, 0, 8)})
    assert pipeline.counts() == {LAST: 3}


def test_a_capped_run_reads_exactly_as_many_items(pipeline: Pipeline) -> None:
    pipeline.put(FIRST, items_of(FIRST, 50))
    with pipeline.machine(MinSegments=8) as machine:
        run = succeeded(machine.start({"tables": [FIRST], "dryRun": True, "maxItems": 17}))
    assert counted(run) == {FIRST: (17, 17, 0, 17)}


def test_a_run_of_one_table_leaves_the_others_as_they_were(pipeline: Pipeline) -> None:
    for table, items in of_every_table(2).items():
        pipeline.put(table, items)
    with pipeline.machine() as machine:
        succeeded(machine.start({}))
        for table, items in of_every_table(7).items():
            pipeline.put(table, items)
        succeeded(machine.start({"tables": [SECOND]}))
    assert pipeline.counts() == dict.fromkeys(TABLES, 2) | {SECOND: 7}


def test_a_segment_that_failed_is_redriven_and_nothing_is_read_twice(pipeline: Pipeline) -> None:
    for table, items in of_every_table(30).items():
        pipeline.put(table, items)
    fault = failing({(f"Transform{camel_case(SECOND)}", 1): ["StagingError"]})
    with pipeline.machine(fault, MinSegments=3) as machine:
        failed = machine.start({})
        assert (failed.status, failed.error) == ("FAILED", "StagingError")
        assert machine.events("LoadWarehouse") == []
        run = succeeded(machine.redrive(failed))
    assert run.arn == failed.arn
    assert counted(run) == dict.fromkeys(TABLES, (30, 30, 0, 30))
    assert pipeline.counts() == dict.fromkeys(TABLES, 30)
    scans = [(event["table"], event["segment"]) for event in machine.events("ScanSegment")]
    assert scans.count((SECOND, 1)) == 1


def test_a_load_that_failed_is_redriven_from_what_was_staged(pipeline: Pipeline) -> None:
    pipeline.put(LAST, items_of(LAST, 4))
    with pipeline.machine(failing({("LoadWarehouse", None): ["DatabaseError"]})) as machine:
        failed = machine.start({"tables": [LAST]})
        pipeline.put(LAST, items_of(LAST, 9))  # too late for this run
        run = succeeded(machine.redrive(failed))
    assert counted(run) == {LAST: (4, 4, 0, 4)}


@pytest.mark.parametrize("state", [f"Scan{camel_case(LAST)}", f"Transform{camel_case(LAST)}", "LoadWarehouse"])
def test_a_task_whose_answer_was_lost_may_run_again(pipeline: Pipeline, state: str) -> None:
    pipeline.put(LAST, items_of(LAST, 4))
    lost: list[Any] = []

    def lose_once(task: Task, proceed: Callable[[], Any]) -> Any:
        answer = proceed()
        if task.state == state and not lost:
            lost.append(answer)
            raise TaskFailed("Lambda.ServiceException")
        return answer

    with pipeline.machine(lose_once) as machine:
        run = succeeded(machine.start({"tables": [LAST]}))
    assert lost
    assert counted(run) == {LAST: (4, 4, 0, 4)}
    assert pipeline.counts() == {LAST: 4}
    assert pipeline.sql("SELECT count(*) FROM pipeline_runs") == ["1"]


def test_a_run_that_began_before_the_last_one_committed_does_not_load(pipeline: Pipeline) -> None:
    pipeline.put(LAST, items_of(LAST, 1))
    with pipeline.machine(failing({("LoadWarehouse", None): ["DatabaseError"]})) as machine:
        old = machine.start({"tables": [LAST]})
        succeeded(machine.start({"tables": [LAST]}))
        redriven = machine.redrive(old)
    assert (redriven.status, redriven.error) == ("FAILED", "StaleRunError")


def test_a_wrong_password_fails_under_its_own_name_and_is_nowhere_told(
    pipeline: Pipeline, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline.warehouse.put_secret(pipeline.warehouse.server.user, "not-the-password")
    with pipeline.machine() as machine:
        run = machine.start({"tables": [LAST]})
        told = json.dumps([str(run), machine.history(run)], default=str)
    assert (run.status, run.error) == ("FAILED", "DatabaseAuthenticationError")
    assert "not-the-password" not in told + "".join(capfd.readouterr())


def test_chunks_are_copied_by_functions_of_their_own_and_loaded_once(pipeline: Pipeline) -> None:
    for table, items in of_every_table(30).items():
        pipeline.put(table, items)
    with pipeline.machine(MinSegments=3, ParallelCopyBytes=0) as machine:
        run = succeeded(machine.start({}))
    assert counted(run) == dict.fromkeys(TABLES, (30, 30, 0, 30))
    assert pipeline.counts() == dict.fromkeys(TABLES, 30)
    assert len(machine.events("CopyChunk")) == 3 * len(TABLES)
    shadows = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text ~ '_pipeline$'"
    assert pipeline.sql(shadows) == []


def test_a_copy_that_failed_is_redriven_and_no_chunk_is_copied_twice(pipeline: Pipeline) -> None:
    pipeline.put(LAST, items_of(LAST, 30))
    answers: list[bool] = []
    copy = functions.handlers()["CopyChunk"]

    def watched(event: dict[str, Any], context: Any) -> Any:
        answer = copy(event, context)
        answers.append(answer["copied"])
        return answer

    fault = failing({("CopyChunk", 1): ["StagingError"]})
    with pipeline.machine(fault, {"CopyChunk": watched}, MinSegments=3, ParallelCopyBytes=0) as machine:
        failed = machine.start({"tables": [LAST]})
        assert (failed.status, failed.error) == ("FAILED", "StagingError")
        run = succeeded(machine.redrive(failed))
    assert counted(run) == {LAST: (30, 30, 0, 30)}
    assert answers.count(True) == 3
