"""The commands that need the warehouse, on runs of the real functions: rejects, their replay, and verify."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest

from demand import permissions
from demand.aws import Clients
from demand.drift import parse_path
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.s3.staging import Staging
from demand_pipeline.tables import Column, ColumnType, camel_case
from demand_pipeline.transform.drift import path_text
from local.seed import key_item
from tests.demand.conftest import STACK, CloudFormation, Demand, Said
from tests.statemachine.conftest import one_at_a_time
from tests.statemachine.harness import Machine, TaskFailed
from tests.support import functions
from tests.support.aws import BUCKET, VARIABLES, create_source
from tests.support.operate import FUNCTION, Lambda
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse, variables

pytestmark = [pytest.mark.long, pytest.mark.slow]

CASES = TABLES["cases"]
COUNT = 30
# What the functions, which share this process, write to standard output.
LOGGED = ('{"level"', '{"_aws"')


@dataclass
class Real:
    """The real state machine, functions and warehouse behind the command line."""

    warehouse: Warehouse
    demand: Demand
    dynamodb: Any
    calls: list[str]
    lost: list[str]  # errors of loads whose work was done

    def put(self, *items: dict[str, Any], table: str = "cases") -> None:
        for item in items:
            self.dynamodb.put_item(TableName=TABLES[table].source, Item=item)

    def run(self, *words: str) -> str:
        said = self.demand("run", "--tables", "cases,metadata", "--json", *words)
        return str(said.json["run"])

    def called(self, *words: str) -> tuple[Said, set[str]]:
        self.calls.clear()
        return self.demand(*words), set(self.calls)


@pytest.fixture
def real(aws: None, warehouse: Warehouse, demand: Demand, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    for name, value in (VARIABLES | variables(warehouse.settings)).items():
        monkeypatch.setenv(name, value)
    for table in TABLES.values():
        create_source(table)
    lost: list[str] = []

    def around(task: Any, proceed: Any) -> Any:
        answer = proceed()
        if task.state == "LoadWarehouse" and lost:
            raise TaskFailed(lost.pop())
        return answer

    with Machine(one_at_a_time(functions.handlers()), around=around) as machine:
        outputs = {"StateMachineArn": machine.arn, "StagingBucketName": BUCKET, "OperateWarehouseName": FUNCTION}
        cloudformation = CloudFormation(outputs, {})
        named = {f"{camel_case(table.source)}Table": table.source for table in TABLES.values()}
        cloudformation._stack["Parameters"] += [{"ParameterKey": n, "ParameterValue": v} for n, v in named.items()]
        calls = cloudformation.calls
        fakes: dict[str, Any] = {"cloudformation": cloudformation, "lambda": Lambda()}
        fakes["lambda"].calls = calls
        make = Clients._make

        def recording(clients: Clients, service: str) -> Any:
            if service in fakes:
                return fakes[service]
            made = make(clients, service)
            prefix = made.meta.service_model.signing_name
            made.meta.events.register("before-call", lambda model, **_: calls.append(f"{prefix}:{model.name}"))
            return made

        def alone(*words: str) -> Said:
            said = demand(*words)
            lines = said.out.splitlines(keepends=True)
            return replace(said, out="".join(line for line in lines if not line.startswith(LOGGED)))

        with mock.patch.object(Clients, "_make", recording):
            client: Any = boto3.client
            yield Real(warehouse, alone, client("dynamodb"), calls, lost)


def case(number: int, **attributes: Any) -> dict[str, Any]:
    return {**key_item(CASES, number), "status": {"S": "open"}, **attributes}


@pytest.fixture
def loaded(real: Real) -> Real:
    """A committed run of cases, two of which are rejects."""
    real.put(*(case(number) for number in range(COUNT)))
    real.put(case(100, issueDate={"S": "31/12/2026"}), case(101, issueDate={"S": "soon"}))
    real.put(case(102, isDuplicate={"BOOL": True}, amounts={"M": {"net": {"N": "12345678901234567890123456789.01"}}}))
    real.run("--max-reject-percent", "50")
    return real


def test_rejects_are_listed_by_reason_and_exported_from_either_place(loaded: Real, tmp_path: Path) -> None:
    run = loaded.demand("runs", "--json").json["runs"][0]["name"]
    for place, words in (("warehouse", ["--warehouse"]), ("staging", [run]), ("staging", [])):
        said = loaded.demand("rejects", *words, "--json").json
        [reason] = said["reasons"]
        assert (said["source"], said["complete"], reason["run"]) == (place, True, run)
        assert (reason["table"], reason["reason"], reason["items"]) == ("cases", "issue_date: expected date", 2)
        [sample] = reason["samples"]
        assert sample["reason"].startswith("issue_date: expected date, got S '")
        assert json.loads(sample["key"]).keys() == {"documentId"}
        shown = loaded.demand("rejects", *words).out
        assert "issue_date: expected date" in shown
        assert "got S" not in shown  # the value stands in its own column
        for suffix in ("csv", "jsonl"):
            file = tmp_path / f"{place}.{suffix}"
            assert loaded.demand("rejects", *words, "--export", str(file), "--json").json["exported"] == 2
            rows = exported(file)
            assert sorted(row["item"]["issueDate"] for row in rows) == ["31/12/2026", "soon"]
            assert {row["table"] for row in rows} == {"cases"}


def exported(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_text().splitlines()]
    return [{**row, "item": json.loads(row["item"])} for row in csv.DictReader(file.read_text().splitlines())]


def test_rejects_of_a_run_that_failed_are_listed_too(real: Real) -> None:
    real.put(case(1, issueDate={"S": "soon"}))
    said = real.demand("run", "--tables", "cases", "--json")
    assert said.code == 1
    run = said.json["run"]
    [reason] = said.json["reasons"]
    assert (reason["reason"], reason["items"]) == ("issue_date: expected date", 1)
    for words in ([run], []):
        assert real.demand("rejects", *words, "--json").json["reasons"][0]["items"] == 1
        told = real.demand("show", *words).out
        assert "issue_date: expected date" in told
        assert f"demand rejects {run}" in told
    assert real.demand("rejects", "replay", "--json").json["run"] == run
    assert real.demand("rejects", "--warehouse", "--json").json["reasons"] == []


def test_replay_says_how_many_would_pass_with_todays_declarations(
    loaded: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    [table] = loaded.demand("rejects", "replay", "--json").json["tables"]
    assert (table["rejects"], table["passing"], table["still"][0]["items"]) == (2, 0, 2)
    as_text = [
        replace(column, type=ColumnType.TEXT) if column.name == "issue_date" else column for column in CASES.columns
    ]
    monkeypatch.setitem(TABLES, "cases", replace(CASES, columns=tuple(as_text)))
    [table] = loaded.demand("rejects", "replay", "--json").json["tables"]
    assert (table["rejects"], table["passing"], table["still"]) == (2, 2, [])


def test_a_warehouse_that_has_what_its_run_read_is_equal_whatever_the_source_has_by_now(loaded: Real) -> None:
    whole, sample = ["verify", "--json"], ["verify", "--sample", "1000", "--json"]
    unchanged = {"changed": 0, "gone": 0, "new": 0}
    for words, new in ((whole, 0), (sample, None)):
        said = loaded.demand(*words)
        assert said.code == 0, said.err
        cases, metadata, audit = (said.json["tables"][number] for number in (0, 1, 3))
        assert (cases["rows"], cases["compared"], cases["rejected"]) == (COUNT + 1, COUNT + 3, 2)
        assert cases["since"] == metadata["since"] == unchanged | {"new": new}
        assert (metadata["rows"], audit["reason"]) == (0, "no run has loaded it")
    loaded.put(case(7, status={"S": "closed"}), case(200))
    loaded.dynamodb.delete_item(TableName=CASES.source, Key=key_item(CASES, 8))
    for words, new in ((whole, 1), (sample, None)):
        said = loaded.demand(*words)
        assert (said.code, said.json["tables"][0]["since"]) == (0, {"changed": 1, "gone": 1, "new": new})
    assert "has what its runs read" in loaded.demand("verify").out
    assert loaded.demand("verify", "--sample", "20", "--json").json["tables"][0]["compared"] == 20


# What is done to the warehouse by hand: SQL, and the counts that verify then says.
BY_HAND = {
    "a changed value": ("UPDATE warehouse.cases SET status = 'closed' WHERE document_id = '{id}'", {"different": 1}),
    "a value that only looks the same": ("UPDATE warehouse.cases SET net_amount = net_amount * 1.0 WHERE net_amount > 1", {"different": 1}),
    "a deleted row": ("DELETE FROM warehouse.cases WHERE document_id = '{id}'", {"missing": 1}),
    "a row of nobody's": ("INSERT INTO warehouse.cases (document_id) VALUES ('by hand')", {"surplus": 1}),
    "a row in another's place": ("UPDATE warehouse.cases SET document_id = 'x' WHERE document_id = '{id}'", {"missing": 1, "surplus": 1}),
}  # fmt: skip


def test_what_was_changed_by_hand_is_a_real_difference(loaded: Real) -> None:
    loaded.warehouse.sql("CREATE TABLE warehouse.saved AS TABLE warehouse.cases")
    for change, (statement, counts) in BY_HAND.items():
        loaded.warehouse.sql(statement.format(id=key_item(CASES, 7)["documentId"]["S"]))
        said = loaded.demand("verify", "--tables", "cases", "--json")
        [cases] = said.json["tables"]
        found = {name: cases[name] for name in ("missing", "different", "surplus") if cases[name]}
        assert (said.code, found) == (1, counts), change
        assert len(cases["differences"]) == counts.get("missing", 0) + counts.get("different", 0), change
        assert "DIFFERS" in loaded.demand("verify", "--tables", "cases").out
        loaded.warehouse.sql("TRUNCATE warehouse.cases; INSERT INTO warehouse.cases TABLE warehouse.saved")
    assert loaded.demand("verify", "--tables", "cases").code == 0


def test_of_keys_that_became_equal_the_row_of_the_first_is_expected(loaded: Real) -> None:
    loaded.put(*({"documentId": {"S": key}, "status": {"S": repr(key)}} for key in ("k\0", "k\ufffd")))
    loaded.run("--max-reject-percent", "50")
    for words, rejected in ((["verify"], 3), (["verify", "--sample", "1000"], 4)):
        said = loaded.demand(*words, "--tables", "cases", "--json")
        [cases] = said.json["tables"]
        assert (said.code, cases["rows"], cases["compared"], cases["rejected"]) == (0, COUNT + 2, COUNT + 5, rejected)


def test_a_sample_finds_a_row_that_is_missing_by_the_count(loaded: Real) -> None:
    loaded.warehouse.sql("DELETE FROM warehouse.cases WHERE ctid = (SELECT max(ctid) FROM warehouse.cases)")
    said = loaded.demand("verify", "--tables", "cases", "--sample", "1", "--json")
    [cases] = said.json["tables"]
    assert (said.code, cases["missing"]) == (1, 1)


def test_a_declaration_that_is_not_deployed_is_refused_by_name(loaded: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    more = replace(CASES, columns=(*CASES.columns, Column("note", ColumnType.TEXT, "note", "A note.")))
    monkeypatch.setattr("demand.verify.verification.TABLES", TABLES | {"cases": more})
    said = loaded.demand("verify", "--tables", "cases", "--json")
    assert (said.code, said.json["error"]["kind"]) == (2, "InvalidEventError")
    assert "deploy, or check out that commit" in said.json["error"]["message"]


BAD_INPUT = [
    (["rejects", "--tables", "cheques"], "--tables cheques: expected some of cases"),
    (["rejects", "run-1", "--warehouse"], "--warehouse: expected no RUN next to it, got run-1"),
    (["rejects", "--direct"], "--direct: expected --warehouse next to it"),
    (["rejects", "replay", "--tables", "cases,"], "--tables cases,: expected some of cases"),
    (
            ["rejects", "--export", "rejects.xls"],
            "--export rejects.xls: expected a name ending in .jsonl, .ndjson, .csv",
        ),
    (["rejects", "--warehouse", "--export", "/nowhere/rejects.csv"], "--export /nowhere/rejects.csv: No such file or directory"),
    (["rejects", "--samples", "101"], "--samples 101: expected a number, 0 to 100"),
    (["rejects", "replay", "nobody"], "no run 'nobody'"),
    (["verify", "--tables", "cheques"], "--tables cheques: expected some of cases"),
    (["verify", "--sample", "0"], "--sample 0: expected a number, 1 to 1000000"),
]  # fmt: skip


def test_bad_input_is_one_line_that_names_it(real: Real) -> None:
    for words, message in BAD_INPUT:
        said = real.demand(*words)
        assert (said.code, said.out) == (2, ""), words
        assert message in said.err.splitlines()[0]


def test_each_command_calls_what_its_line_of_permissions_names(loaded: Real) -> None:
    needed = {
        name: {entry.action for entry in permissions.COMMANDS[name]}
        for name in ("rejects list", "rejects replay", "verify")
    }
    run = loaded.demand("runs", "--json").json["runs"][0]["name"]
    assert (
        loaded.called("rejects", "--warehouse")[1] | loaded.called("rejects", run)[1] | {"states:ListExecutions"}
        == needed["rejects list"]
    )
    assert loaded.called("rejects", "replay")[1] == needed["rejects replay"]
    assert loaded.called("verify")[1] | loaded.called("verify", "--sample", "5")[1] == needed["verify"]


def test_drift_lists_what_changed_since_the_run_before_with_the_line_to_paste(loaded: Real) -> None:
    first = loaded.demand("drift", "--json").json
    assert first["changes"] == []
    assert first["not_compared"].keys() == {"cases", "metadata"}
    paid = {"M": {"unit price": {"N": "1"}}}
    loaded.put(*(case(number, paidAt={"S": "x"}, paid=paid, status={"N": "1"}) for number in range(3)))
    run = loaded.run("--max-reject-percent", "50")
    said, called = loaded.called("drift", "--json")
    found = {change["path"]: change for change in said.json["changes"]}
    assert {path: (change["change"], change["types"], change["items"]) for path, change in found.items()} == {
        "paid": ("new", ["M"], 3),
        "paidAt": ("new", ["S"], 3),
        "status": ("retyped", ["N"], 3),
    }
    assert {change["run"] for change in found.values()} == {run}
    assert called <= {permission.action for permission in permissions.COMMANDS["drift"]}
    for path, change in found.items():
        assert (change["column"] is None) is (path == "status")
    shown = loaded.demand("drift").out
    made = [eval(line.strip().rstrip(","), {"Column": Column, "ColumnType": ColumnType})  # noqa: S307
            for line in shown.splitlines() if line.strip().startswith("Column(")]  # fmt: skip
    assert [(column.name, column.type, column.path) for column in made] == [
        ("paid", ColumnType.JSONB, ("paid",)),
        ("paid_at", ColumnType.TEXT, ("paidAt",)),
    ]
    assert loaded.demand("drift", run[:-2], "--json").json["changes"] == said.json["changes"]
    assert loaded.demand("drift", "no-such-run").code == 2


def test_a_path_that_is_shown_is_the_one_that_the_line_to_paste_reads() -> None:
    for path in [("a", "b"), ("unit.price", "größe"), ('"x"\\', "\u202e\x1b[31m", ""), ("{}", "'")]:
        assert path_text(path).isprintable()
        assert parse_path(path_text(path)) == path


def test_the_state_of_a_run_is_the_one_that_the_warehouse_has(real: Real, tmp_path: Path) -> None:
    file = tmp_path / "report.html"

    def shown(name: str) -> tuple[str, bool, str]:
        """The state by every command, which must agree: what runs says, whether it is committed, and the report."""
        listed = {run["name"]: run for run in real.demand("runs", "--json").json["runs"]}[name]
        said = [real.demand(word, name, "--json").lines[-1] for word in ("show", "watch")]
        assert [each["warehouse"] for each in said] == [listed["warehouse"]] * 2
        real.demand("report", name, "-o", str(file))
        return listed["warehouse"]["state"], listed["committed"], file.read_text()

    real.put(case(1))
    dry, first = real.run("--dry-run"), real.run()
    assert shown(dry)[:2] == ("not committed", False)
    assert shown(first)[:2] == ("committed", True)
    real.lost.append("Sandbox.Timedout")
    real.lost.append("Sandbox.Timedout")  # which is retried once, but not at the load
    failed = real.demand("run", "--tables", "cases,metadata", "--json")
    real.lost.clear()
    assert (failed.code, failed.json["warehouse"]["state"]) == (1, "committed")
    second = failed.json["run"]
    state, committed, report = shown(second)
    assert (state, committed) == ("committed", True)
    assert "Failed after its commit: Sandbox.Timedout" in report
    assert shown(first)[:2] == ("superseded", True)
    for words in (["show", second], ["watch", second]):
        assert "The warehouse has the rows of this run." in " ".join(real.demand(*words).out.split())
    real.warehouse.sql(
        "UPDATE warehouse.pipeline_runs SET status = 'rolled back', rolled_back_at = now(), rolled_back_by = 'ana', "
        "rolled_back_reason = 'test data'"
    )
    for name in (first, second):
        state, committed, report = shown(name)
        assert (state, committed) == ("rolled back", False)
        assert "said to be by ana, because: test data" in report
    assert "<h1>Rolled back</h1>" in real.demand("report", first, "-o", str(file)).out + file.read_text()
    assert "rolled back: test data" in " ".join(real.demand("runs").out.split())
    real.warehouse.sql("ALTER TABLE warehouse.pipeline_runs RENAME TO elsewhere")
    state, committed, report = shown(first)
    assert (state, committed) == ("unknown", True)
    assert "It is unknown whether the warehouse has the rows of this run: " in report


def test_the_last_swap_is_shown_and_rolled_back(real: Real, staging: Staging) -> None:
    runs = Runs(staging, real.warehouse, strategy=Strategy.SWAP)
    for rows, hour in ((2, 1), (3, 20)):
        runs.load(run_at(hour), {"cases": documents(rows, status=str(hour))})
    said = real.demand("diff", "--tables", "cases", "--json")
    [cases] = said.json["tables"]
    assert (cases["added"], cases["removed"], cases["changed"]) == (1, 0, 2)
    assert cases["columns"] == [{"column": "status", "rows": 2}]
    assert "before run run-20" in real.demand("diff", "--tables", "cases").out
    several = real.demand("rollback", "run-", "--reason", "wrong status", "--yes")
    said, called = real.called("rollback", "run-2", "--reason", "wrong status", "--yes", "--json")
    assert said.json["tables"] == [{"table": "cases", "run": "run-1"}]
    assert called <= {permission.action for permission in permissions.COMMANDS["rollback"]}
    assert real.warehouse.sql("SELECT count(*), min(status) FROM warehouse.cases") == "2|1"
    assert "several runs begin with 'run-'" in several.err
    assert "rollback of run-20, committed" in said.err
    assert f"stack {STACK}, account 123456789012, region eu-west-1" in said.err
    by = "SELECT rolled_back_by FROM warehouse.pipeline_runs WHERE rolled_back_reason = 'wrong status'"
    assert real.warehouse.sql(by).startswith("arn:aws:")
    again = real.demand("rollback", "--reason", "again", "--yes")
    assert (again.code, "RollbackError" in again.err) == (2, True)
