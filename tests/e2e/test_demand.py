"""The command line on the local stack, as somebody uses it who has `source .local/env` and a shell."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from local import seed
from local.sample import Sample
from tests.e2e.conftest import RUN_SECONDS, Client, Deploy

pytestmark = pytest.mark.xdist_group("e2e")

SECOND = list(TABLES)[1]
BROKEN = f"Transform{camel_case(SECOND)}"

type Start = Callable[..., subprocess.Popen[str]]
type Demand = Callable[..., tuple[int, str, str]]


@pytest.fixture
def begin(exported: Mapping[str, str]) -> Iterator[Start]:
    """Begin a command line."""
    begun: list[subprocess.Popen[str]] = []
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets background jobs ignore it

    def begin(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "demand", *words],
            env={**exported, "COLUMNS": "150"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()
    signal.signal(signal.SIGINT, ignored)


@pytest.fixture
def demand(begin: Start) -> Demand:
    """A command line to its end: exit code, stdout, stderr."""

    def demand(*words: str) -> tuple[int, str, str]:
        process = begin(*words)
        out, err = process.communicate(timeout=RUN_SECONDS)
        return process.returncode, out, err

    return demand


@pytest.fixture
def runs(client: Client, exported: Mapping[str, str]) -> Callable[[], Any]:
    """The stack's runs, newest first, as anybody sees them."""
    states = client("stepfunctions")
    return lambda: states.list_executions(stateMachineArn=exported["STATE_MACHINE_ARN"])["executions"]


@pytest.fixture
def sample(client: Client) -> Sample:
    dynamodb = client("dynamodb")
    seed.create_tables(dynamodb)
    sample = Sample(60)
    seed.write_sample(dynamodb, sample, lambda _: None)
    return sample


def test_a_run_that_fails_in_one_segment_is_found_by_show_and_finished_by_redrive(
    sample: Sample, demand: Demand, deploy: Deploy
) -> None:
    deploy(BROKEN, segment=1, seconds=3)
    try:
        code, out, _ = demand("run", "--json")
    finally:
        deploy(BROKEN)
    assert code == 1
    failed = json.loads(out)
    [failure] = failed["failures"]
    found = (failure["error"], failure["state"], failure["table"], failure["segment"])
    assert found == ("RuntimeError", BROKEN, SECOND, 1)

    code, out, _ = demand("show", failed["run"])
    assert code == 1
    assert out.splitlines()[0].startswith(f"run {failed['run']} FAILED")
    for told in (
        "RuntimeError",
        f"{BROKEN}, segment 1",
        "a bug that only this segment meets",
        f"demand redrive {failed['run']}",
    ):
        assert told in out

    code, out, err = demand("redrive")
    assert (code, out) == (2, "")
    assert "add --yes" in err

    code, out, err = demand("redrive", "--yes", "--detach", "--json")
    assert code == 0, err
    [plan] = [table for table in json.loads(out)["tables"] if table["table"] == SECOND]
    assert 1 in plan["again"]  # and the other segment, if it was still at work
    assert sorted(plan["kept"] + plan["again"]) == [0, 1]
    code, out, err = demand("watch", failed["run"], "--json")
    assert code == 0, err
    receipt = json.loads(out.splitlines()[-1])
    assert (receipt["run"], receipt["committed"], receipt["redrives"]) == (failed["run"], True, 1)
    counted = {table["table"]: (table["scanned"], table["rejected"], table["balanced"]) for table in receipt["tables"]}
    assert counted == {name: (items, sample.rejected[name], True) for name, items in sample.items.items()}
    assert sum(reason["items"] for reason in receipt["reasons"]) == receipt["rejected"] == sum(sample.rejected.values())

    code, out, _ = demand("logs", failed["run"], "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert {"ScanSegment", BROKEN, "LoadWarehouse"} <= {line["function"] for line in lines}


def test_an_interrupt_ends_the_watching_and_leaves_the_run_until_it_is_stopped(
    sample: Sample, begin: Start, demand: Demand, deploy: Deploy, runs: Callable[[], Any]
) -> None:
    deploy(BROKEN, segment=0, seconds=60)
    try:
        watching = begin("run", "--tables", SECOND)
        assert watching.stderr is not None
        told = "".join(watching.stderr.readline() for _ in range(3))  # where, that it started, and a first look at it
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=RUN_SECONDS)
        assert watching.returncode == 130, told + err
        assert "the run continues" in err
        [latest, *_] = runs()
        assert latest["name"] in told
        assert latest["status"] == "RUNNING"

        code, out, err = demand("stop", "--yes", "--json")
        assert code == 0, out
        assert json.loads(out)["status"] == runs()[0]["status"] == "ABORTED"
        assert "the run was stopped by hand" in demand("show")[1]
    finally:
        deploy(BROKEN)


def test_the_schedule_is_paused_and_resumed_and_stays_what_it_is(demand: Demand, client: Client) -> None:
    scheduler = client("scheduler")
    [listed] = scheduler.list_schedules()["Schedules"]

    def schedule() -> dict[str, Any]:
        found = scheduler.get_schedule(Name=listed["Name"])
        return {name: found.get(name) for name in ("State", "Target", "ScheduleExpression", "Description")}

    before = schedule()
    for word, state in (("resume", "ENABLED"), ("pause", "DISABLED")):
        assert demand(word)[0] == 0
        assert schedule() == before | {"State": state}
