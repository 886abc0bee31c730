"""The operators' functions as a command calls them: what they answer, and that they change nothing."""

import json
from typing import Any

import pytest

from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.operating.request import CHANGING, ActionName
from demand_pipeline.errors import DatabaseError, InvalidEventError
from demand_pipeline.operate import answer, pages, rejects
from demand_pipeline.transform.reason import Reason
from tests.support.functions import Context, handler
from tests.support.operate import ask
from tests.support.runs import EVERYTHING, Runs, documents, reject, row, run_at
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.usefixtures("environment")

NO_REJECTS = {"run": None, "table": None}


def test_status_has_the_rows_of_each_table_and_the_run_they_are_of(loaded: Runs) -> None:
    loaded.load(run_at(2), {"cases": documents(5)})
    tables = {table["table"]: table for table in ask("status", countRows=True)["tables"]}
    cases, templates = tables["cases"], tables["templates"]
    assert (cases["rows"], cases["run"], cases["loaded"]) == (5, "run-2", 5)
    assert (templates["rows"], templates["run"], templates["started_at"]) == (
        1,
        "run-1",
        run_at(1).started_at.isoformat(),
    )
    assert 0 <= cases["age_seconds"] < templates["age_seconds"] < 600
    assert {table["rows"] for table in ask("status", countRows=False)["tables"]} == {None}
    loaded.warehouse.sql("UPDATE warehouse.pipeline_runs SET status = 'rolled back' WHERE run_id = 'run-2'")
    assert ask("status", countRows=False)["tables"][0]["run"] == "run-1"


def test_runs_are_remembered_with_what_they_did_to_their_tables(loaded: Runs) -> None:
    for number in (2, 3):
        loaded.load(run_at(number), {"cases": documents(number)})
    before = run_at(3).started_at.isoformat()
    second, first = ask("runs", runs=None, before=before, most=5)["runs"]
    assert (second["run"], first["run"], first["started_at"]) == ("run-2", "run-1", run_at(1).started_at.isoformat())
    [cases] = second["tables"]
    assert {name: cases[name] for name in ("table", "scanned", "staged", "rejected", "loaded", "previous_rows")} == {
        "table": "cases", "scanned": 2, "staged": 2, "rejected": 0, "loaded": 2, "previous_rows": 3,
    }  # fmt: skip
    assert {table["table"] for table in first["tables"]} == EVERYTHING.keys()
    assert [run["run"] for run in ask("runs", runs=None, before=None, most=1)["runs"]] == ["run-3"]
    assert [run["run"] for run in ask("runs", runs=["run-1"], before=None, most=1)["runs"]] == ["run-1"]


def test_a_run_is_remembered_with_the_tables_that_still_have_its_rows(loaded: Runs) -> None:
    def of(run: str) -> dict[str, Any]:
        [found] = ask("runs", runs=[run], before=None, most=1)["runs"]
        return {name: found[name] for name in ("status", "holds", "replaced_by", "rolled_back_by")}

    loaded.load(run_at(2), {"cases": documents(2)})
    loaded.load(run_at(3), {"cases": documents(3)})
    others = sorted(EVERYTHING.keys() - {"cases"})
    committed = {"status": "committed", "rolled_back_by": None}
    assert of("run-1") == committed | {"holds": others, "replaced_by": ["run-3"]}
    assert of("run-2") == committed | {"holds": [], "replaced_by": ["run-3"]}
    assert of("run-3") == committed | {"holds": ["cases"], "replaced_by": []}
    loaded.warehouse.sql(
        "UPDATE warehouse.pipeline_runs SET status = 'rolled back', rolled_back_by = 'me', rolled_back_at = now() "
        "WHERE run_id = 'run-3'"
    )
    assert of("run-2") == committed | {"holds": ["cases"], "replaced_by": []}
    undone = {"status": "rolled back", "holds": [], "replaced_by": ["run-2"], "rolled_back_by": "me"}
    assert of("run-3") == undone
    assert [run["run"] for run in ask("runs", runs=None, before=None, most=9)["runs"]] == ["run-2", "run-1"]


def test_before_the_first_run_there_is_nothing(warehouse: Warehouse) -> None:
    assert ask("runs", runs=None, before=None, most=1) == {"runs": [], "complete": True}
    assert {(table["rows"], table["run"]) for table in ask("status", countRows=True)["tables"]} == {(None, None)}
    assert ask("rejects", **NO_REJECTS, samples=3) == {"reasons": [], "complete": True}
    assert ask("rejected_items", **NO_REJECTS, after=None) == {"items": [], "next": None}


@pytest.fixture
def rejected(runs: Runs) -> Runs:
    run = run_at(1)
    reasons = ["issue_date: expected date, got S 'x'"] * 2 + [
        "issue_date: expected date, got S 'y, got z'",
        "tags: expected text[], got N '1'",
    ]
    rejects_of_cases = [reject(f"doc-{number}", reason) for number, reason in enumerate(reasons)]
    runs.load(
        run,
        {"cases": [runs.chunk(run, "cases", documents(2), rejects_of_cases)], "audit": [runs.chunk(run, "audit", [], [reject("a")])]},
        max_reject_percent=100,
    )  # fmt: skip
    return runs


def test_reasons_are_counted_without_the_value_that_was_found(rejected: Runs, warehouse: Warehouse) -> None:
    answered = ask("rejects", **NO_REJECTS, samples=1)
    assert [(reason["table"], reason["reason"], reason["items"]) for reason in answered["reasons"]] == [
        ("audit", "issue_date: expected date", 1),
        ("cases", "issue_date: expected date", 3),
        ("cases", "tags: expected text[]", 1),
    ]
    assert {reason["reason"] for reason in answered["reasons"]} == {
        Reason.parse(text).kind for text in warehouse.sql("SELECT reason FROM warehouse.rejected_items").splitlines()
    }
    _, dates, _ = answered["reasons"]
    assert dates["samples"] == [{"key": '{"documentId": "doc-0"}', "reason": "issue_date: expected date, got S 'x'"}]
    assert answered["complete"]
    assert ask("rejects", run="run-9", table=None, samples=1)["reasons"] == []
    assert len(ask("rejects", run="run-1", table="audit", samples=1)["reasons"]) == 1


@pytest.mark.parametrize(("limit", "pages_asked"), [(1, 4), (5_000_000, 1)])
def test_rejected_items_come_page_by_page_each_once(
    limit: int, pages_asked: int, rejected: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "ANSWER_BYTES", limit)
    monkeypatch.setattr(rejects, "fitting", lambda items: pages.fitting(items, limit))
    found, after, asked = [], None, 0
    while True:
        page = ask("rejected_items", run="run-1", table="cases", after=after)
        if not page["items"]:
            break
        found += page["items"]
        after, asked = page["next"], asked + 1
    assert [json.loads(item["key"])["documentId"] for item in found] == [f"doc-{number}" for number in range(4)]
    assert asked == pages_asked
    assert json.loads(found[0]["item"]) == {"documentId": "doc-0", "issueDate": "x"}


def compare(*rows: list[Any]) -> Any:
    texts = [[None if value is None else str(value) for value in row] for row in rows]
    return ask("compare", table="cases", fingerprint=CASES.fingerprint, rows=texts)


def test_rows_are_compared_as_the_load_would_store_them(loaded: Runs) -> None:
    same = row(
        "cases",
        document_id="doc-0",
        tags='{"a,b","c\\"d"}',
        net_amount="12.5",
        issue_date="2026-11-23",
        extra='{"x":1.10}',
    )
    spelled = row(
        "cases",
        document_id="doc-1",
        tags='{"a,b",c\\"d}',
        net_amount="12.5",
        issue_date="20261123",
        extra='{ "x": 1.10 }',
    )
    other = row(
        "cases",
        document_id="doc-2",
        tags='{"a,b","c\\"d"}',
        net_amount="12.50",
        issue_date="2026-11-23",
        extra='{"x": 1.1}',
    )
    missing = row("cases", document_id="doc-3")
    answered = compare(same, spelled, other, missing)
    assert answered["compared"] == 4
    assert answered["differences"] == [
        {
            "index": 2,
            "missing": False,
            "columns": [
                {"column": "net_amount", "expected": "12.50", "found": "12.5"},
                {"column": "extra", "expected": '{"x": 1.1}', "found": '{"x": 1.10}'},
            ],
        },
        {"index": 3, "missing": True, "columns": []},
    ]  # fmt: skip
    assert compare() == {"compared": 0, "differences": []}


def test_an_answer_that_does_not_fit_says_how_many_rows_it_is_about(
    loaded: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demand_pipeline.operate.compare.fitting", lambda found: pages.fitting(found, 1))
    answered = compare(
        row("cases", document_id="doc-0", status="a"), row("cases", document_id="x"), row("cases", document_id="y")
    )
    assert (answered["compared"], [found["index"] for found in answered["differences"]]) == (1, [0])


@pytest.mark.parametrize(
    ("action", "arguments", "message"),
    [
        ("drop", {}, "action: expected one of status, rejects, rejected_items, compare"),
        ("check", {"strategy": "swop"}, "arguments.strategy: expected one of truncate, merge"),
        ("status", {}, "arguments.countRows: expected true or false, and it is missing"),
        ("rejects", {"run": None, "table": "cheques", "samples": 1}, "arguments.table: expected one of cases"),
        (
            "rejects",
            {**NO_REJECTS, "samples": 101},
            "arguments.samples: expected a whole number from 0 to 100, got 101",
        ),
        (
            "diff",
            {"table": "cases", "samples": 101},
            "arguments.samples: expected a whole number from 0 to 100, got 101",
        ),
        (
            "runs",
            {"runs": None, "before": None, "most": 1001},
            "arguments.most: expected a whole number from 1 to 1000",
        ),
        ("runs", {"runs": None, "before": "today", "most": 1}, "arguments.before: expected a time in ISO 8601"),
        ("runs", {"runs": ["a", ""], "before": None, "most": 1}, "arguments.runs[1]: expected a non-empty string"),
        (
            "rejected_items",
            {**NO_REJECTS, "after": "x'"},
            'arguments.after: expected the field `next` of an answer, got "x\'"',
        ),
        (
            "compare",
            {"table": "cases", "fingerprint": "old", "rows": []},
            f"arguments.fingerprint: expected {CASES.fingerprint}",
        ),
        (
            "compare",
            {"table": "cases", "fingerprint": CASES.fingerprint, "rows": [["a"]]},
            "arguments.rows[0]: expected 23 strings or nulls, got 'list'",
        ),
    ],
)
def test_a_malformed_question_names_field_value_and_expectation(
    action: str, arguments: dict[str, Any], message: str, warehouse: Warehouse
) -> None:
    with pytest.raises(InvalidEventError) as caught:
        ask(action, **arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("action", ActionName)
def test_a_function_refuses_the_actions_of_the_other_one(action: ActionName) -> None:
    other = handler("read_warehouse" if action in CHANGING else "change_warehouse")
    event = {"contract": CONTRACT, "action": str(action), "arguments": {}}
    with pytest.raises(InvalidEventError, match=rf"^action: expected one of .*, got '{action}'$"):
        other(event, Context())


def test_every_action_that_writes_is_one_of_the_changing_function() -> None:
    assert {name for name, action in answer.ACTIONS.items() if action.writes or action.rehearses} == CHANGING


@pytest.mark.parametrize("before", ["", "COMMIT; "])
def test_no_question_can_change_anything_in_its_transaction_or_after_it(
    before: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = answer.Action(lambda connection, *_: connection.execute(f"{before}CREATE SCHEMA written"))
    monkeypatch.setitem(answer.ACTIONS, ActionName.STATUS, writing)
    with pytest.raises(DatabaseError, match="cannot execute CREATE SCHEMA in a read-only transaction"):
        ask("status")
