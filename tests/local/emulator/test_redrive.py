"""The states that the emulator aborts after a failure, and the calls that a redrive repeats."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from local import aws
from local.emulator.emulator import ACCOUNT, Emulator
from tests.local.emulator.conftest import Machines, sequence
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("emulator")


def test_a_failing_branch_aborts_its_siblings_and_a_redrive_calls_only_failed_and_aborted_again(
    machines: Machines, tmp_path: Path
) -> None:
    calls, needed, slept = tmp_path / "calls", tmp_path / "needed", tmp_path / "slept"

    def call(name: str, **more: Any) -> dict[str, Any]:
        after = {"Next": more.pop("Next")} if "Next" in more else {}
        return machines.task(
            {"calls": str(calls), "name": name, **more}, Output="{% $states.result.Payload.name %}", **after
        )

    machine = {
        "Fan": {
            "Type": "Parallel",
            "Branches": [
                sequence(Quick=call("quick")),
                sequence(
                    Before=call("before", Next="Fail"),
                    Fail=call("fail", needs=str(needed), awaits=["quick", "slow"], sleep=1),
                ),
                sequence(Slow=call("slow", sleep=4, slept=str(slept), Next="After"), After=call("after")),
            ],
            "Next": "Last",
        },
        "Last": {**call("last"), "Output": "{% $append($states.input, $states.result.Payload.name) %}"},
    }
    arn = machines.start(machine)
    failed = machines.end(arn)
    assert (failed["status"], failed["redriveStatus"]) == ("FAILED", "REDRIVABLE")
    assert not slept.exists()
    assert sorted(calls.read_text().split()) == ["before", "fail", "quick", "slow"]

    calls.write_text("quick\n")
    needed.touch()
    redriven = machines.redrive(arn)
    assert json.loads(redriven["output"]) == ["quick", "fail", "after", "last"]
    assert (redriven["redriveCount"], redriven["redriveStatus"]) == (1, "NOT_REDRIVABLE")
    assert sorted(calls.read_text().split()) == ["after", "fail", "last", "quick", "slow"]
    history = machines.client.get_execution_history(executionArn=arn, maxResults=1000)["events"]
    entered = [event["stateEnteredEventDetails"]["name"] for event in history if event["type"].endswith("StateEntered")]
    assert sorted(entered) == ["After", "Before", "Fail", "Fail", "Fan", "Last", "Quick", "Slow", "Slow"]
    with pytest.raises(machines.client.exceptions.ExecutionNotRedrivable):
        machines.client.redrive_execution(executionArn=arn)


def test_a_failing_iteration_aborts_the_others_and_a_redrive_takes_up_each_where_it_was(
    machines: Machines, tmp_path: Path
) -> None:
    calls, needed, slept = tmp_path / "calls", tmp_path / "needed", tmp_path / "slept"
    payload = {"calls": str(calls), "name": "{% $string($states.input.n) %}"}
    processor = sequence(
        First=machines.task(payload, Output="{% $states.input %}", Next="Second"),
        Second=machines.task(
            {
                **payload,
                "name": "{% $string($states.input.n) & '+' %}",
                "awaits": "{% $states.input.n = 1 ? ['0+', '2+'] : [] %}",
                "sleep": "{% [0, 1, 4, 0, 0, 0][$states.input.n] %}",
                "slept": "{% $states.input.n = 2 ? $states.input.slept : '/dev/null' %}",
                "needs": "{% $states.input.n = 1 ? $states.input.needed : $states.input.there %}",
            },
            Output="{% $states.input.n %}",
        ),
    )
    machine = {
        "Each": {
            "Type": "Map",
            "Items": "{% [2, 0, 1, 3, 4, 5] %}",
            "MaxConcurrency": 3,
            "ItemSelector": {
                "n": "{% $states.context.Map.Item.Value %}",
                "needed": str(needed),
                "slept": str(slept),
                "there": str(tmp_path),
            },
            "ItemProcessor": processor,
            "End": True,
        }
    }
    arn = machines.start(machine)
    assert machines.end(arn)["status"] == "FAILED"
    assert not slept.exists()
    before = set(calls.read_text().split())
    assert {"0", "1", "1+", "2", "2+"} <= before

    calls.write_text("0+\n")
    needed.touch()
    assert json.loads(machines.redrive(arn)["output"]) == [2, 0, 1, 3, 4, 5]
    after = calls.read_text().split()
    assert {"1+", "2+"} <= set(after)
    assert after.count("0+") == 1
    assert not {"0", "1", "2"} & set(after)


def test_a_branch_that_waits_is_aborted_at_once(machines: Machines) -> None:
    branches = [
        sequence(Fail=machines.task({"needs": "/nowhere"})),
        sequence(Wait={"Type": "Wait", "Seconds": 60, "End": True}),
    ]
    started = time.monotonic()
    assert machines.run({"Fan": {"Type": "Parallel", "Branches": branches, "End": True}})["error"] == "TransientError"
    assert time.monotonic() - started < 30


def test_a_redrive_tells_the_rounds_of_a_loop_apart(machines: Machines, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    payload = {"calls": str(calls), "name": "{% $string($round) %}", "needs": "{% $states.input[$round] %}"}
    machine = {
        "Begin": {"Type": "Pass", "Assign": {"round": 0}, "Next": "Call"},
        "Call": machines.task(payload, Assign={"round": "{% $round + 1 %}"}, Output="{% $states.input %}", Next="More"),
        "More": {"Type": "Choice", "Choices": [{"Condition": "{% $round < 3 %}", "Next": "Call"}], "Default": "Done"},
        "Done": {"Type": "Succeed", "Output": "{% $round %}"},
    }
    needed = tmp_path / "needed"
    arn = machines.start(machine, [str(tmp_path), str(needed), str(tmp_path)])
    assert machines.end(arn)["status"] == "FAILED"
    needed.touch()
    assert json.loads(machines.redrive(arn)["output"]) == 3
    assert calls.read_text().split() == ["0", "1", "1", "2"]


def test_a_stopped_run_is_aborted_at_once_and_can_be_redriven(machines: Machines, tmp_path: Path) -> None:
    calls, slept = tmp_path / "calls", tmp_path / "slept"
    wait = {"calls": str(calls), "name": "x", "sleep": 3, "slept": str(slept)}
    arn = machines.start(
        {"Call": machines.task(wait, Next="Then"), "Then": machines.task({"calls": str(calls), "name": "then"})}
    )
    wait_for(calls.exists)
    machines.client.stop_execution(executionArn=arn)
    assert machines.end(arn)["status"] == "ABORTED"
    wait_for(slept.exists)  # the function ends now: too late
    assert (machines.client.describe_execution(executionArn=arn)["status"], calls.read_text()) == ("ABORTED", "x\n")
    assert machines.redrive(arn)["status"] == "SUCCEEDED"
    assert calls.read_text() == "x\nx\nthen\n"


def test_a_redrive_runs_the_definition_and_role_that_the_execution_started_with(
    machines: Machines, tmp_path: Path
) -> None:
    needed = tmp_path / "needed"
    old = machines.start({"Call": machines.task({"needs": str(needed)}, Output="old")})
    machine = machines.end(old)["stateMachineArn"]
    update = {"QueryLanguage": "JSONata", "StartAt": "New", "States": {"New": machines.task({}, Output="new")}}
    nobody = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    machines.client.update_state_machine(stateMachineArn=machine, definition=json.dumps(update), roleArn=nobody)
    needed.touch()
    assert json.loads(machines.redrive(old)["output"]) == "old"
    new = machines.client.start_execution(stateMachineArn=machine)["executionArn"]
    assert "nobody is not authorized" in machines.end(new)["cause"]


def test_an_execution_of_a_deleted_state_machine_cannot_be_redriven(machines: Machines, emulator: Emulator) -> None:
    definition = {"StartAt": "Refuse", "States": {"Refuse": {"Type": "Fail"}}}
    properties = {"DefinitionString": json.dumps(definition), "RoleArn": machines.roles["machine"]}
    resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    stacks = aws.client("cloudformation", emulator.client_environment())
    stacks.create_stack(StackName="short-lived", TemplateBody=json.dumps({"Resources": {"Machine": resource}}))
    stacks.get_waiter("stack_create_complete").wait(StackName="short-lived", WaiterConfig={"Delay": 1})
    described = stacks.describe_stack_resource(StackName="short-lived", LogicalResourceId="Machine")
    machine = described["StackResourceDetail"]["PhysicalResourceId"]
    arn = machines.client.start_execution(stateMachineArn=machine)["executionArn"]
    assert machines.end(arn)["redriveStatus"] == "REDRIVABLE"
    stacks.delete_stack(StackName="short-lived")
    stacks.get_waiter("stack_delete_complete").wait(StackName="short-lived", WaiterConfig={"Delay": 1})
    stacks.close()
    with pytest.raises(machines.client.exceptions.ExecutionNotRedrivable, match="State machine is in DELETING status"):
        machines.client.redrive_execution(executionArn=arn)
