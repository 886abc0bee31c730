"""`demand show` tells automatic redrives from redrives by people, and says when the next one comes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from demand.cli import runs
from demand.runs.execution import Run
from demand.runs.repair import Redrives, find_redrives
from demand.stack import Stack
from tests.demand.conftest import Demand
from tests.demand.deployed import Stack as Deployed

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:repair"
ARN = "arn:aws:states:eu-west-1:123456789012:execution:pipeline:nightly"
START = datetime(2026, 12, 1, 3, tzinfo=UTC)


def minutes(number: int) -> datetime:
    return START + timedelta(minutes=number)


def follow_up(started: int, status: str = "SUCCEEDED", *, redriven: bool = False, of: str = ARN) -> dict[str, Any]:
    """An execution of the machine, as Step Functions describes it."""
    output = {"output": json.dumps({"redriven": redriven})} if status == "SUCCEEDED" else {}
    return {
        "executionArn": f"{MACHINE}:{started}",
        "startDate": minutes(started),
        "status": status,
        "input": json.dumps({"arn": of}),
        **output,
    }


class StepFunctions:
    def __init__(self, follow_ups: list[dict[str, Any]], last: dict[str, Any]) -> None:
        self.follow_ups = follow_ups
        self.last = last
        self.described: list[str] = []

    def list_executions(self, **_: Any) -> Any:
        return {"executions": self.follow_ups}

    def describe_execution(self, executionArn: str) -> Any:  # noqa: N803 - boto3's
        self.described.append(executionArn)
        [found] = [each for each in self.follow_ups if each["executionArn"] == executionArn]
        return found

    def get_execution_history(self, **_: Any) -> Any:
        return {"events": [self.last]}


PAUSE = {
    "type": "WaitStateEntered",
    "timestamp": minutes(20),
    "stateEnteredEventDetails": {"input": json.dumps({"events": 90, "seconds": 600})},
}


def redrives(*follow_ups: dict[str, Any], count: int, last: dict[str, Any] = PAUSE, **more: Any) -> Redrives | None:
    states = StepFunctions(list(follow_ups), last)
    stack = Stack("s", "eu-west-1", {"StateMachineArn": "m", "RepairRunArn": MACHINE}, {}, lambda _: states)
    given = {
        "arn": ARN,
        "started": START,
        "stopped": minutes(30),
        "redrives": count,
        "redrivable": True,
        "is_running": False,
        **more,
    }
    found = find_redrives(stack, mock.Mock(spec=Run, **given))
    assert f"{MACHINE}:300" not in states.described
    return found


OTHERS = (follow_up(300), follow_up(25, redriven=True, of=f"{ARN}-other"))


@pytest.mark.parametrize(
    ("follow_ups", "count", "found"),
    [
        ((), 0, None),
        ((follow_up(10, redriven=True),), 1, Redrives(1, 0, None)),
        ((follow_up(20), follow_up(10, redriven=True)), 3, Redrives(1, 2, None)),
        ((follow_up(20, "RUNNING"), follow_up(10, redriven=True)), 1, Redrives(1, 0, minutes(30))),
        ((follow_up(20, "RUNNING"),), 0, Redrives(0, 0, minutes(30))),
    ],
    ids=["none", "automatic", "both", "another to come", "the first to come"],
)
def test_redrives_are_told_apart_and_the_next_is_announced(
    follow_ups: tuple[dict[str, Any], ...], count: int, found: Redrives | None
) -> None:
    assert redrives(*follow_ups, *OTHERS, count=count) == found


def test_no_redrive_is_announced_of_a_run_that_is_running_again_or_before_the_pause() -> None:
    waiting = follow_up(20, "RUNNING")
    assert redrives(waiting, count=1, is_running=True) == Redrives(0, 1, None)
    assert redrives(waiting, count=1, last={"type": "TaskScheduled"}) == Redrives(0, 1, None)


def test_show_says_it_and_an_older_stack_has_nothing_to_say(
    stack: Deployed, demand: Demand, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand("run")
    assert demand("show", "--json").json["redrives"] is None
    monkeypatch.setattr(runs, "find_redrives", lambda *_: Redrives(1, 2, minutes(30)))
    assert "1 automatic, 2 by people; the next automatic redrive at 2026-12-01 03:30:00 UTC" in demand("show").out
    assert demand("show", "--json").json["redrives"]["by_people"] == 2
