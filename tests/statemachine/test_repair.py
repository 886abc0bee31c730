"""The machine that follows up the end of a run: when it redrives, when it gives up, and what it reports."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from scripts.state_machine import REPAIR_EVENTS
from tests.statemachine.harness import REPAIR, Machine, Run, Task, TaskFailed, definition
from tests.statemachine.lint import lint, states

ARN = "arn:aws:states:eu-west-1:123456789012:execution:pipeline:nightly"
FAILED = {"status": "FAILED", "name": "nightly", "arn": ARN, "error": "TransientError", "redrives": 0}
COMMITTED = {
    "status": "SUCCEEDED",
    "name": "nightly",
    "arn": ARN,
    "started": 1_796_094_000_000,
    "output": ['{"committed": true, "tables": []}'],
}
STATES = states(definition(REPAIR))
CALLS = [name for name, state in STATES.items() if state.get("Catch")]


class Services:
    """Step Functions and SNS, as the machine sees them. `redrives` is how often the run was redriven by its end."""

    def __init__(
        self,
        *,
        status: str = "FAILED",
        redrives: int = 0,
        events: int = 100,
        runs: tuple[Any, ...] = (),
        errors: dict[str, str] | None = None,
    ) -> None:
        self.answers: dict[str, Any] = {
            "CountEvents": {"Events": [{"Id": events}]},
            "DescribeRun": {"Status": status, "RedriveCount": redrives},
            "RedriveRun": {},
            "ListRuns": {"Executions": [self.run("nightly", "SUCCEEDED", "03:00"), *runs]},
        }
        self.errors = errors or {}
        self.called: list[str] = []
        self.messages: list[dict[str, Any]] = []

    @staticmethod
    def run(name: str, status: str, started: str) -> dict[str, str]:
        arn = ARN.replace("nightly", name)
        return {"Name": name, "ExecutionArn": arn, "Status": status, "StartDate": f"2026-12-01T{started}:00.000Z"}

    def __call__(self, task: Task, _proceed: Callable[[], Any]) -> Any:
        self.called.append(task.state)
        if task.state in self.errors:
            raise TaskFailed(self.errors[task.state])
        if task.state.startswith("Report"):
            self.messages.append(json.loads(task.arguments["Message"]))
            return {"MessageId": "1"}
        return self.answers[task.state]


class Repair(Machine):
    """The machine that follows up, instead of a run's."""

    file = REPAIR


def follow_up(services: Services, end: dict[str, Any]) -> tuple[Machine, Run]:
    with Repair({}, around=services) as machine:
        return machine, machine.start(end)


def test_the_machine_has_no_defect_and_every_call_ends_in_time() -> None:
    assert lint(definition(REPAIR)) == []
    assert [name for name, state in STATES.items() if state["Type"] == "Task" and not state["TimeoutSeconds"]] == []


@pytest.mark.parametrize("redrives", [0, 1, 2])
def test_a_run_is_redriven_after_a_pause_that_doubles_each_time(redrives: int) -> None:
    services = Services(redrives=redrives)
    machine, repair = follow_up(services, FAILED | {"redrives": redrives})
    assert (repair.status, repair.output) == ("SUCCEEDED", {"redriven": True})
    assert machine.pauses == [600 * 2**redrives]
    assert services.called == ["CountEvents", "DescribeRun", "RedriveRun"]
    assert [task.arguments["ExecutionArn"] for task in machine.tasks] == [ARN] * 3
    assert services.messages == []


@pytest.mark.parametrize(
    ("status", "redrives"), [("RUNNING", 1), ("SUCCEEDED", 1), ("FAILED", 1), ("ABORTED", 0)], ids=str
)
def test_a_run_that_somebody_has_redriven_or_stopped_meanwhile_is_left_alone(status: str, redrives: int) -> None:
    services = Services(status=status, redrives=redrives)
    _, repair = follow_up(services, FAILED)
    assert repair.output == {"redriven": False}
    assert services.called == ["CountEvents", "DescribeRun"]


def test_a_run_whose_history_is_nearly_full_is_left_to_people_at_once() -> None:
    services = Services(events=REPAIR_EVENTS + 1)
    machine, repair = follow_up(services, FAILED)
    assert (repair.output, machine.pauses) == ({"redriven": False}, [])
    [message] = services.messages
    assert (message["run"], message["status"], message["error"]) == ("nightly", "FAILED", "TransientError")
    assert message["runbook"] == "docs/runbook.md#TransientError"
    assert message["redrive"].split()[-1] == ARN
    assert message["console"].endswith(ARN)
    assert "too few events left" in message["next"]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_is_refused_is_reported_with_its_error_and_the_run(call: str) -> None:
    services = Services(errors={call: "Sfn.SfnException"})
    _, repair = follow_up(services, FAILED)
    [message] = services.messages
    assert (repair.status, message["run"]) == ("SUCCEEDED", "nightly")
    assert "Sfn.SfnException" in message["next"]
    assert services.called.count(call) == 6


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_committed_run_is_reported_if_the_run_before_it_did_not_succeed(status: str) -> None:
    earlier = (Services.run("older", "SUCCEEDED", "01:00"),)
    services = Services(runs=(Services.run("evening", status, "02:00"), *earlier))
    _, repair = follow_up(services, COMMITTED)
    [message] = services.messages
    assert (repair.status, message["run"], message["status"]) == ("SUCCEEDED", "nightly", "SUCCEEDED")
    assert f"evening, is {status}" in message["next"]


@pytest.mark.parametrize(
    "runs",
    [
        (),
        (Services.run("evening", "SUCCEEDED", "02:00"), Services.run("older", "FAILED", "01:00")),
        (Services.run("evening", "RUNNING", "02:00"), Services.run("older", "SUCCEEDED", "01:00")),
        (Services.run("later", "FAILED", "04:00"),),
    ],
    ids=["the first run", "recovered before", "still running", "a later run"],
)
def test_a_committed_run_that_ends_no_failure_is_not_reported(runs: tuple[Any, ...]) -> None:
    services = Services(runs=runs)
    _, repair = follow_up(services, COMMITTED)
    assert (repair.status, services.messages) == ("SUCCEEDED", [])


@pytest.mark.parametrize("output", [['{"committed": false}'], []], ids=["dry run", "too long for an event"])
def test_a_run_that_is_not_known_to_be_committed_is_no_recovery(output: list[str]) -> None:
    services = Services(runs=(Services.run("evening", "FAILED", "02:00"),))
    _, repair = follow_up(services, COMMITTED | {"output": output})
    assert (repair.status, services.called) == ("SUCCEEDED", [])


def test_a_report_that_cannot_be_sent_fails_the_machine_for_its_alarm() -> None:
    services = Services(events=REPAIR_EVENTS + 1, errors={"ReportFailure": "SNS.AuthorizationErrorException"})
    _, repair = follow_up(services, FAILED)
    assert (repair.status, repair.error) == ("FAILED", "SNS.AuthorizationErrorException")
