"""The commands that need the warehouse, on runs of the real functions: drift, a run's state, diff and rollback."""

from pathlib import Path

import pytest

from demand import permissions
from demand.drift import parse_path
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.s3.staging import Staging
from demand_pipeline.tables import Column, ColumnType
from demand_pipeline.transform.drift import path_text
from tests.demand.conftest import Real, case
from tests.demand.deployed import STACK
from tests.support.runs import Runs, documents, run_at

pytestmark = [pytest.mark.long, pytest.mark.slow]

BAD_INPUT = [
    (["rejects", "--tables", "cheques"], "--tables cheques: expected some of cases"),
    (["rejects", "run-1", "--warehouse"], "--warehouse: cannot be combined with RUN run-1"),
    (["rejects", "--direct"], "--direct: requires --warehouse"),
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
    assert "Committed, but then a function was killed at its time limit" in report
    assert shown(first)[:2] == ("superseded", True)
    for words in (["show", second], ["watch", second]):
        assert "The warehouse contains the rows of this run." in " ".join(real.demand(*words).out.split())
    real.warehouse.sql(
        "UPDATE warehouse.pipeline_runs SET status = 'rolled back', rolled_back_at = now(), rolled_back_by = 'ana', "
        "rolled_back_reason = 'test data'"
    )
    for name in (first, second):
        state, committed, report = shown(name)
        assert (state, committed) == ("rolled back", False)
        assert "said to be by ana, because: test data" in report
    assert "<h1>The run was rolled back at " in report
    assert "; rolled back: test data" in " ".join(real.demand("runs").out.split())
    real.warehouse.sql("ALTER TABLE warehouse.pipeline_runs RENAME TO elsewhere")
    state, committed, report = shown(first)
    assert (state, committed) == ("unknown", True)
    assert "It is unknown whether the warehouse contains the rows of this run: " in report


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
