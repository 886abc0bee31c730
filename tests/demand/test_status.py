"""demand status and demand locks: what they say is what the stack and the warehouse have."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest

from demand import permissions
from demand import status as screen
from demand.cli import app, status
from demand.runs.repair import Redrives
from demand.stack import find_stack
from demand_pipeline.builders import TABLES
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.session import open_session
from tests.demand.conftest import Demand, Real, case
from tests.demand.deployed import RESOURCES, STACK, Stack, counting, deployed
from tests.statemachine.fakes import failing
from tests.support.aws import REGION
from tests.support.roles import administrator
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.long, pytest.mark.slow]


@pytest.fixture
def well(real: Real) -> Real:
    """A stack whose last run has loaded all tables."""
    real.put(case(1), case(2))
    assert real.demand("run", "--json").code == 0
    return real


def test_a_stack_that_is_well_is_ok_and_its_state_is_that_of_the_warehouse(well: Real) -> None:
    said, called = well.called("status", "--json")
    found = said.json
    assert (said.code, found["problems"], found["unknown"]) == (0, [], [])
    run = well.warehouse.sql("SELECT run_id FROM warehouse.pipeline_runs")
    assert {table["table"]: table["run"] for table in found["tables"]} == dict.fromkeys(TABLES, run)
    assert {table["table"]: table["loaded"] for table in found["tables"]} == dict.fromkeys(TABLES, 0) | {"cases": 2}
    assert (found["last_run"]["name"], found["last_run"]["warehouse"]["state"]) == (run, "committed")
    assert found["alarms"] == {"total": 2, "fired": []}
    following = datetime.fromisoformat(found["schedule"]["next_start"])
    assert (following.hour, following.minute) == (3, 0)
    assert (found["running"], found["oldest_lock"]) == ([], None)
    assert found["place"].startswith(f"stack {STACK}, account 123456789012, region {REGION}")
    history = "states:GetExecutionHistory"  # of the automatic redrive, once a run has failed
    assert called == {entry.action for entry in permissions.COMMANDS["status"]} - {history}
    shown = well.demand("status")
    assert shown.code == 0
    assert shown.out.splitlines()[-1] == "OK"


def is_old(real: Real) -> str:
    real.warehouse.sql("UPDATE warehouse.pipeline_runs SET committed_at = now() - interval '27 hours'")
    return "the rows of cases, metadata, templates, audit are older than 26 hours: demand runs"


def is_never_loaded(real: Real) -> str:
    real.warehouse.sql("DELETE FROM warehouse.pipeline_run_tables WHERE table_name = 'audit'")
    return "no run has loaded audit: demand run"


def failed_before_a_dry_run(real: Real) -> str:
    real.put(case(3, issueDate={"S": "soon"}))
    failed = real.demand("run", "--tables", "cases", "--max-reject-percent", "0", "--json").json["run"]
    real.run("--dry-run", "--max-reject-percent", "100")
    return f"the last run, {failed}, ended as FAILED with RejectLimitError: demand show {failed}"


def is_paused(real: Real) -> str:
    real.demand("pause")
    return "the schedule is paused: no run starts automatically: demand resume"


def has_an_alarm(real: Real) -> str:
    for name in ("RunFailedAlarm", "NoSuccessCasesAlarm"):  # whose actions are disabled
        physical = RESOURCES[name][1]
        boto3.client("cloudwatch").set_alarm_state(AlarmName=physical, StateValue="ALARM", StateReason="a test")
    return "RunFailedAlarm has fired: demand explain RunFailedAlarm"


@pytest.mark.parametrize("spoil", [is_old, is_never_loaded, failed_before_a_dry_run, is_paused, has_an_alarm])
def test_what_is_wrong_is_said_with_the_command_that_goes_on_and_the_exit_code_is_1(
    well: Real, spoil: Callable[[Real], str]
) -> None:
    told = spoil(well)
    said = well.demand("status")
    assert said.code == 1
    assert [line for line in said.out.splitlines() if line.startswith("WRONG")] == [f"WRONG    {told}"]
    message, _, do = told.rpartition(": ")
    assert well.demand("status", "--json").json["problems"] == [{"message": message, "do": do}]


def test_a_failed_run_that_waits_for_its_automatic_redrive_is_not_wrong_and_the_exit_code_is_2(
    well: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed_before_a_dry_run(well)
    following = datetime(2026, 12, 1, 3, 20, tzinfo=UTC)
    monkeypatch.setattr(screen, "find_redrives", lambda *_: Redrives(0, 0, following))
    said = well.demand("status", "--json")
    assert (said.code, said.json["problems"], said.json["unknown"]) == (2, [], [])
    assert said.json["last_run"]["next_redrive"] == following.isoformat()
    *_, last = well.demand("status").out.splitlines()
    assert re.fullmatch(
        "WAITING  the last run, .*, ended as FAILED with RejectLimitError; it is redriven automatically at .*", last
    )


def test_locks_are_listed_and_a_run_that_waits_for_one_is_a_problem_until_its_holder_is_ended(well: Real) -> None:
    settings = well.warehouse.settings
    with (
        administrator(well.warehouse) as holder,
        open_session(settings, "run", Timeouts(lock=60), writes=True) as load,
        ThreadPoolExecutor() as pool,
    ):
        holder.execute("BEGIN; LOCK TABLE warehouse.cases")
        load.execute("BEGIN; LOCK TABLE warehouse.audit IN SHARE MODE")
        waiting = pool.submit(load.execute, "LOCK TABLE warehouse.cases IN SHARE MODE")
        wait_for(lambda: well.demand("status", "--json").json["problems"])
        said = well.demand("status", "--json")
        listed, called = well.called("locks", "--json")
        shown = well.demand("locks").out
        [end] = {lock["end"] for lock in listed.json["locks"] if lock["end"]}
        well.warehouse.sql(end)
        waiting.result()
        load.execute("ROLLBACK")
    assert said.code == 1
    assert said.json["problems"] == [{"message": "a run waits for a lock on warehouse.cases", "do": "demand locks"}]
    assert said.json["oldest_lock"]["end"] == end
    states = {(lock["is_own"], lock["is_granted"], lock["mode"]) for lock in listed.json["locks"]}
    assert states == {(False, True, "ACCESS EXCLUSIVE"), (True, True, "SHARE"), (True, False, "SHARE")}
    assert f"end with  {end}" in [line.rstrip() for line in shown.splitlines()]
    assert called == {entry.action for entry in permissions.COMMANDS["locks"]}
    assert well.demand("locks").out == "no session holds a lock on the warehouse's tables\n"
    assert well.demand("status").code == 0


def test_where_runs_are_started_by_hand_old_rows_and_a_disabled_schedule_are_not_wrong(
    well: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_old(well)
    is_paused(well)
    by_hand = {"ScheduleState": "DISABLED", "MaxHoursWithoutSuccess": "1"}
    monkeypatch.setattr(app, "find_stack", lambda *given: replace(find_stack(*given), parameters=by_hand))
    said = well.demand("status", "--json")
    assert (said.code, said.json["problems"], said.json["schedule"]["next_start"]) == (0, [], None)


def test_a_part_that_may_not_be_asked_is_unknown_and_the_others_are_shown(demand: Demand) -> None:
    with deployed(counting()):
        said = demand("status", "--json")
        shown = demand("status").out
    assert said.code == 2
    assert {entry["part"] for entry in said.json["unknown"]} == {"tables", "locks"}
    assert said.json["schedule"]["state"] == "ENABLED"
    assert "UNKNOWN  tables: missing permission lambda:InvokeFunction: no" in shown.splitlines()
    assert "oldest lock" not in shown


def test_what_is_wrong_counts_for_more_than_what_is_unknown(demand: Demand) -> None:
    with deployed(counting(), around=failing({("ScanCases", 0): ["SomethingNew"]})):
        demand("run", "--json")
        assert demand("status").code == 1


def test_watching_looks_again_until_it_is_interrupted(
    stack: Stack, demand: Demand, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(status, "sleep", pause)
    said = demand("status", "--watch", "--json")
    assert (said.code, pauses) == (130, [status.WATCH_SECONDS] * 2)
    assert [line["event"] for line in said.lines] == ["status", "status"]
