"""The commands, against runs of the real state machine."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.main import get_command

from demand.cli.app import app
from demand.runs.shrinkage import shrunk_tables
from demand.stack import find_stack
from demand_pipeline.builders import TABLES
from demand_pipeline.s3.staging import Staging
from demand_pipeline.tables import camel_case
from scripts.demand_page import all_commands
from tests.demand.conftest import Demand
from tests.demand.deployed import LOG_GROUP, SCHEDULE, STACK, Stack, counting, deployed
from tests.statemachine.fakes import failing
from tests.statemachine.harness import TaskFailed

FIRST, SECOND = list(TABLES)[:2]
SCAN, TRANSFORM = f"Scan{camel_case(FIRST)}", f"Transform{camel_case(SECOND)}"


def test_a_run_ends_with_a_receipt_that_is_balanced(stack: Stack, demand: Demand) -> None:
    said = demand("run", "--json")
    assert said.code == 0
    receipt = said.json
    assert receipt["schema_version"] == 1
    assert (receipt["committed"], receipt["rejected"], receipt["reasons"]) == (True, 0, [])
    counts = ("scanned", "staged", "rejected", "loaded", "balanced", "rows_after", "previous_rows")
    tables = {table["table"]: [table[name] for name in counts] for table in receipt["tables"]}
    assert tables == {name: [3, 3, 0, 3, True, 3, 3] for name in TABLES}
    assert receipt["cost"]["read_units"] == 0.5 * len(TABLES)
    assert receipt["cost"]["total"] > 0
    assert receipt["run"] in said.err


def test_without_permission_to_ask_the_warehouse_a_run_is_shown_and_its_state_is_unknown(
    stack: Stack, demand: Demand
) -> None:
    ran = demand("run", "--tables", FIRST, "--json")
    denied = "missing permission lambda:InvokeFunction: no"
    assert (ran.code, ran.json["committed"]) == (0, True)
    assert (ran.json["warehouse"]["state"], ran.json["warehouse"]["reason"]) == ("unknown", denied)
    for words, place in ((("show",), "out"), (("runs",), "err")):
        said = demand(*words)
        assert said.code == 0
        assert denied in " ".join(getattr(said, place).split())


def test_without_permission_to_read_rejected_items_a_run_is_shown_without_their_reasons(
    demand: Demand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any) -> Iterator[bytes]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    with deployed(counting(rejected=1)):
        demand("run", "--tables", FIRST)
        monkeypatch.setattr(Staging, "lines", denied)
        said = demand("show")
        assert said.code == 0
        assert "the reasons of the rejects were not read: missing permission s3:GetObject" in said.out
        receipt = demand("show", "--json").json["receipt"]
        assert (receipt["rejected"], receipt["reasons"], receipt["reasons_complete"]) == (1, [], False)


def test_a_dry_run_of_some_tables_passes_its_input_on_and_leaves_the_warehouse(stack: Stack, demand: Demand) -> None:
    words = f"--tables {SECOND},{FIRST} --dry-run --max-items 2 --save-csv --max-reject-percent 7.5".split()
    receipt = demand("run", *words, "--json").json
    assert receipt["committed"] is False
    assert {table["table"]: (table["scanned"], table["rows_after"]) for table in receipt["tables"]} == {
        FIRST: (2, 3),
        SECOND: (2, 3),
    }
    [listed] = demand("runs", "--json").json["runs"]
    given = {"tables": [SECOND, FIRST], "dryRun": True, "maxItems": 2, "maxRejectPercent": 7.5, "saveCsv": True}
    assert listed["input"] == given
    assert " ".join(words) in " ".join(demand("runs").out.split())


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--fail-on-rejects",), 3)])
def test_rejects_are_counted_by_reason_without_their_values(demand: Demand, words: tuple[str, ...], code: int) -> None:
    with deployed(counting(rejected=2)):
        said = demand("run", "--tables", FIRST, *words, "--json")
    assert said.code == code
    assert said.json["reasons"] == [{"table": FIRST, "reason": "due_date: expected date", "items": 2}]
    assert "got S" not in said.out


def test_a_failed_run_shows_its_errors_with_place_cure_and_next_command(demand: Demand) -> None:
    around = failing({(SCAN, 0): ["SomethingNew"]})
    with deployed(counting(), around=around):
        failed = demand("run", "--json")
        shown = demand("show")
        listed = demand("runs")
    assert (failed.code, shown.code, listed.code) == (1, 1, 0)
    [failure] = failed.json["failures"]
    found = {name: failure[name] for name in ("error", "state", "table", "segment", "chunk", "message")}
    assert found == {
        "error": "SomethingNew", "state": SCAN, "table": FIRST, "segment": 0, "chunk": 0, "message": "made to fail",
    }  # fmt: skip
    assert failure["first"] == [f"demand logs {failed.json['run']} --errors"]
    assert failure["next"] == ["demand run"]  # moto says of no run that it can be redriven
    lines = shown.out.splitlines()
    assert f"run {failed.json['run']} FAILED" in lines[0]
    assert "SomethingNew" in lines[2]
    assert f"{SCAN}, segment 0, chunk 0" in shown.out
    assert "probably a bug in the pipeline" in shown.out
    assert "SomethingNew" in listed.out


def test_what_failed_after_the_commit_is_a_warning(environment: None, demand: Demand) -> None:
    with deployed(counting(warnings=("cases_old_1 was not dropped: view mine.v depends on it",))):
        ran = demand("run", "--json")
        shown = demand("show")
    assert (ran.code, ran.json["warnings"]) == (0, ["cases_old_1 was not dropped: view mine.v depends on it"])
    assert "view mine.v depends on it" in " ".join(shown.out.split())


def test_what_a_run_added_to_the_warehouse_is_in_its_receipt(stack: Stack, demand: Demand) -> None:
    assert demand("run", "--json").json["schema_changes"] == ["column a.b added"]
    assert "column a.b added" in demand("show").out


@pytest.mark.parametrize(("previous", "told"), [(3, None), (4, "25% fewer"), (0, None)])
def test_a_table_that_lost_more_than_a_fifth_of_its_rows_is_marked(
    environment: None, demand: Demand, tmp_path: Path, previous: int, told: str | None
) -> None:
    file = tmp_path / "report.html"
    with deployed(counting(previous=previous)):
        ran = demand("run", "--tables", FIRST, "--json")
        places = [demand("show").out, demand("runs").out, demand("report", "-o", str(file)).out + file.read_text()]
    sentence = f"{FIRST} shrank: 3 rows, {previous} before, {told}"
    assert (ran.code, ran.json["shrunk"]) == (0, [sentence] if told else [])
    assert [sentence in " ".join(place.split()) for place in places] == [bool(told)] * 3


def test_a_table_that_had_rows_and_has_none_is_marked() -> None:
    counts = {"table": "cases", "loaded": 0, "previousRows": 996}
    assert shrunk_tables([counts]) == ("cases shrank: 0 rows, 996 before, none are left",)


def test_a_refused_input_names_the_field_and_the_way_on(stack: Stack, demand: Demand) -> None:
    run = stack.machine.start({"dryrun": True, "tables": ["cases;touch x"]})
    said = demand("show", run.arn.rpartition(":")[2])
    assert said.code == 1
    assert "next" not in said.out
    for told in ("InvalidInput", "dryrun: expected only", "start a new run", "input: --tables 'cases;touch x'"):
        assert told in said.out


def test_watch_writes_a_line_of_json_per_change_and_the_result_last(stack: Stack, demand: Demand) -> None:
    started = demand("run", "--detach", "--json")
    assert started.json["status"] == "RUNNING"
    said = demand("watch", started.json["run"], "--json")
    *course, result = said.lines
    assert [line["event"] for line in course] == ["progress"] * len(course)
    assert course[-1]["status"] == "SUCCEEDED"
    assert {table["table"]: table["share"] for table in course[-1]["tables"]} == dict.fromkeys(TABLES, 1.0)
    assert (result["event"], result["committed"]) == ("result", True)


BAD_INPUT: list[tuple[tuple[str, ...], str]] = [
    (("show", "nope"), "no run 'nope' of machine-"),
    (("show", "nope"), "the latest: demand-"),
    (("show", "demand-"), "several runs begin with 'demand-'"),
    (("runs", "--stack", "nope"), f"no stack 'nope' in eu-west-1 (--stack, region from AWS_REGION); existing stacks: {STACK}"),
    (("runs", "--config-env", "prod"), "--config-env prod: no samconfig.toml in "),
    (("run", "--tables", "nope"), f"--tables nope: expected some of {', '.join(TABLES)}"),
    (("run", "--tables", ","), "--tables: expected a value, got an empty one"),
    (("run", "--tables", f"{FIRST},"), f"--tables {FIRST},: expected some of {', '.join(TABLES)}, got ''"),
    (("run", "--max-items", "3"), "--max-items 3: requires --dry-run"),
    (("run", "--max-items", "0"), "--max-items 0: expected a number, 1 or more"),
    (("run", "--max-items", "many"), "--max-items"),
    (("run", "--max-reject-percent", "200"), "--max-reject-percent 200: expected a number, 0 to 100"),
    (("runs", "--limit", "101"), "--limit 101: expected a number, 1 to 100"),
    (("run", "--nope"), "No such option: --nope"),
    (("nope",), "No such command 'nope'"),
    (("redrive",), "cannot be redriven"),
    (("stop",), "there is nothing to stop"),
]  # fmt: skip


def test_bad_input_is_one_line_that_names_it_and_the_exit_code_is_2(stack: Stack, demand: Demand) -> None:
    for _ in range(2):
        demand("run", "--tables", FIRST)
    for words, told in BAD_INPUT:
        said = demand(*words)
        assert (said.code, said.out) == (2, ""), words
        error, *hint = said.err.splitlines()
        assert told in error
        assert [line[:5] for line in hint] in ([], ["try: "])
        said = demand(*words, "--json")
        assert said.code == 2
        assert said.json["error"]["message"] in error


def empty_values() -> list[tuple[str, str]]:
    """Every option and argument with a value of every command, also those that are declared later."""
    group: Any = get_command(app)
    return [
        (name, parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar)
        for name, command in all_commands("", group)
        for parameter in command.params
        if not getattr(parameter, "is_flag", False)
    ]


@pytest.mark.parametrize(("command", "parameter"), empty_values())
def test_an_empty_value_is_refused_by_name_before_anything_is_done(
    demand: Demand, command: str, parameter: str
) -> None:
    for value in ("", " ", ","):
        said = demand(*command.split(), *([parameter] if parameter.startswith("-") else []), value)
        assert (said.code, said.out) == (2, "")
        assert f"{parameter.strip('[]')}: expected a value, got an empty one" in said.err.splitlines()[0]


def test_the_beginning_of_a_name_is_enough(stack: Stack, demand: Demand) -> None:
    name = demand("run", "--tables", FIRST, "--json").json["run"]
    assert demand("show", name[:-2], "--json").json["report"]["run"]["name"] == name


@pytest.mark.parametrize("words", [("run", "--tables", FIRST), ("pause",), ("resume",)])
def test_a_change_of_production_says_where_and_asks(
    stack: Stack, demand: Demand, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "samconfig.toml").write_text(f'[prod.global.parameters]\nstack_name = "{STACK}"\n')
    place = f"stack {STACK}, account 123456789012, region eu-west-1"
    for prod, yes, code in ((False, False, 0), (True, False, 2), (True, True, 0)):
        said = demand(*words, *(("--config-env", "prod") if prod else ()), *(("--yes",) if yes else ()))
        assert (said.code, place in said.err, "Cannot ask for confirmation" in said.err) == (code, True, code == 2)


def test_pause_and_resume_change_the_state_and_nothing_else(stack: Stack, demand: Demand) -> None:
    def schedule() -> dict[str, Any]:
        found = stack.client("scheduler").get_schedule(Name=SCHEDULE["Name"])
        return {name: found[name] for name in SCHEDULE}

    said = demand("pause", "--json")
    assert (said.json["was"], said.json["state"]) == ("ENABLED", "DISABLED")
    assert schedule() == SCHEDULE | {"State": "DISABLED"}
    again = demand("pause")
    assert "already DISABLED: no runs start automatically; alarms fire after 26 hours without a run" in again.out
    assert "a deployment that changes the schedule restores that state" in again.err
    assert "to undo" not in again.err  # it changed nothing
    demand("resume")
    assert schedule() == SCHEDULE


def test_pause_names_no_alarms_where_runs_are_started_by_hand(
    stack: Stack, demand: Demand, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand = {"ScheduleState": "DISABLED", "MaxHoursWithoutSuccess": "26"}
    monkeypatch.setattr("demand.cli.app.find_stack", lambda *given: replace(find_stack(*given), parameters=by_hand))
    said = demand("pause")
    assert (said.code, "alarms" in said.out) == (0, False)


def test_logs_are_the_runs_own_in_the_order_of_time(stack: Stack, demand: Demand) -> None:
    run = stack.machine.start({"tables": [FIRST]})
    name = run.arn.rpartition(":")[2]
    logs = stack.client("logs")
    own = {"run": name, "level": "INFO", "table": FIRST, "segment": 0, "function_request_id": "a", "service": "x"}
    records = [
        own | {"message": "late", "items": 3},
        {"type": "platform.report", "record": {"requestId": "a", "status": "timeout"}},
        {"type": "platform.report", "record": {"requestId": "of another run", "status": "timeout"}},
        {"level": "INFO", "run": "another", "message": "not ours"},
        own | {"message": "early", "level": "WARNING"},
    ]
    described = stack.client("stepfunctions").describe_execution(executionArn=run.arn)
    start = int(described["startDate"].timestamp() * 1000) + 1
    logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName="one")
    times = [start + 2, start + 3, start + 3, start + 1, start]
    events: list[Any] = [
        {"timestamp": at, "message": json.dumps(record)} for at, record in zip(times, records, strict=True)
    ]
    logs.put_log_events(
        logGroupName=LOG_GROUP, logStreamName="one", logEvents=sorted(events, key=lambda event: event["timestamp"])
    )
    said = demand("logs", "--json")
    assert [(line["level"], line["message"], line["fields"]) for line in said.lines] == [
        ("WARNING", "early", {}),
        ("INFO", "late", {"items": 3}),
        ("ERROR", "Lambda reports timeout", {"status": "timeout"}),
    ]
    assert [line["function"] for line in said.lines] == ["ScanSegment"] * 3
    assert [line["message"] for line in demand("logs", "--errors", "--json").lines] == ["Lambda reports timeout"]


def test_config_shows_each_value_with_its_source(stack: Stack, demand: Demand, tmp_path: Path) -> None:
    (tmp_path / "samconfig.toml").write_text('[prod.global.parameters]\nstack_name = "other"\nregion = "us-east-1"\n')
    found = {row["name"]: (row["value"], row["source"]) for row in demand("config", "--json").json["settings"]}
    assert found["stack"] == (STACK, "DEMAND_STACK")
    assert found["region"] == ("eu-west-1", "AWS_REGION")
    said = demand("config", "--config-env", "prod")
    assert said.code == 2
    assert "other" in said.out
    assert "samconfig.toml [prod]" in said.out
    assert "no stack 'other' in us-east-1" in said.err


def test_an_error_of_the_cause_that_is_lambdas_json_is_its_message(demand: Demand) -> None:
    def around(task: Any, proceed: Any) -> Any:
        if task.state == TRANSFORM:
            raise TaskFailed("StagingError", json.dumps({"errorMessage": "cut\nshort", "stackTrace": ["secret"]}))
        return proceed()

    with deployed(counting(), around=around):
        said = demand("run")
    assert "cut short" in said.out
    assert "secret" not in said.out
    assert "new run" in said.out
