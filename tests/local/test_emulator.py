"""What the emulator does as AWS does only because of the modules in local/emulator."""

import io
import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local import aws
from local.emulator import emulator as emulator_module
from local.emulator import server
from local.emulator.emulator import ACCOUNT, REGION, Emulator, EmulatorError

pytestmark = pytest.mark.xdist_group("emulator")

# Does what its event says. `calls` is a file that tells which names called it; `awaits` waits for such calls.
FUNCTION = """
import os, time

class TransientError(Exception):
    pass

def handler(event, context):
    if "calls" in event:
        with open(event["calls"], "a") as calls:
            calls.write(event["name"] + "\\n")
    while not set(event.get("awaits", ())) <= set(open(event["calls"]).read().split() if "awaits" in event else ()):
        time.sleep(0.05)
    time.sleep(event.get("sleep", 0))
    if "slept" in event:
        open(event["slept"], "w").close()
    if "needs" in event and not os.path.exists(event["needs"]):
        raise TransientError("not yet")
    if "kill" in event:
        os.kill(os.getpid(), 9)
    if "bytes" in event:
        return "x" * event["bytes"]
    return {name: os.environ.get(name) for name in event.get("environment", ())} or event
"""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator.create(tmp_path_factory.mktemp("emulator") / "state")
    yield emulator
    emulator.remove()


@pytest.fixture(scope="module")
def states(emulator: Emulator) -> Iterator[Any]:
    client = aws.client("stepfunctions", emulator.client_environment())
    yield client
    client.close()


@pytest.fixture(scope="module")
def roles(emulator: Emulator) -> dict[str, str]:
    """Roles by name: of the function, of the machines, and one that may do nothing."""
    client = aws.client("iam", emulator.client_environment())
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    made = {
        name: client.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        for name in ("function", "machine", "nobody")
    }
    may = [
        {
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": f"arn:aws:lambda:*:{ACCOUNT}:function:function",
        },
        {"Effect": "Allow", "Action": "dynamodb:DescribeTable", "Resource": f"arn:aws:dynamodb:*:{ACCOUNT}:table/mine"},
        {
            "Effect": "Allow",
            "Action": "states:StartExecution",
            "Resource": f"arn:aws:states:*:{ACCOUNT}:stateMachine:*",
        },
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": may})
    client.put_role_policy(RoleName="machine", PolicyName="machine", PolicyDocument=document)
    client.close()
    return made


@pytest.fixture(scope="module")
def function(emulator: Emulator, roles: dict[str, str]) -> str:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", FUNCTION)
    client = aws.client("lambda", emulator.client_environment())
    created = client.create_function(
        FunctionName="function",
        Runtime="python3.13",
        Handler="app.handler",
        Role=roles["function"],
        Code={"ZipFile": code.getvalue()},
        Timeout=30,
    )
    client.close()
    return str(created["FunctionArn"])


@pytest.fixture
def task(function: str) -> Callable[..., dict[str, Any]]:
    """A Task state that calls the function with this payload."""

    def task(payload: Any, **fields: Any) -> dict[str, Any]:
        arguments = {"FunctionName": function, "Payload": payload}
        after = {} if "Next" in fields else {"End": True}
        resource = "arn:aws:states:::lambda:invoke"
        return {"Type": "Task", "Resource": resource, "Arguments": arguments, "TimeoutSeconds": 20, **after, **fields}

    return task


@pytest.fixture
def start(states: Any, roles: dict[str, str]) -> Callable[..., str]:
    def start(machine: dict[str, Any], given: Any = None, role: str = "machine") -> str:
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(machine)), "States": machine}
        name = f"machine-{time.monotonic_ns()}"
        created = states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=roles[role])
        started = states.start_execution(stateMachineArn=created["stateMachineArn"], input=json.dumps(given))
        return str(started["executionArn"])

    return start


@pytest.fixture
def ended(states: Any) -> Callable[[str], dict[str, Any]]:
    def ended(arn: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while (run := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return dict(run)

    return ended


@pytest.fixture
def output(start: Callable[..., str], ended: Callable[[str], dict[str, Any]]) -> Callable[..., Any]:
    """Run a machine that is to succeed; returns its output."""

    def output(machine: dict[str, Any], given: Any = None) -> Any:
        run = ended(start(machine, given))
        assert run["status"] == "SUCCEEDED", run
        return json.loads(run["output"])

    return output


def sequence(**states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def test_parallel_takes_arguments_output_and_assign_and_keeps_variables_of_branches_to_them(
    output: Callable[..., Any],
) -> None:
    changes = {"Type": "Pass", "Assign": {"v": "inner"}, "Output": "{% $states.input.a & $v %}", "End": True}
    machine = {
        "Before": {"Type": "Pass", "Assign": {"v": "outer"}, "Next": "Fan"},
        "Fan": {
            "Type": "Parallel",
            "Arguments": {"a": "{% $states.input & '!' %}"},
            "Branches": [sequence(Change=changes), sequence(Change=changes)],
            "Assign": {"count": "{% $count($states.result) %}"},
            "Output": "{% $states.result[0] %}",
            "Next": "After",
        },
        "After": {"Type": "Pass", "Output": "{% [$states.input, $count, $v] %}", "End": True},
    }
    assert output(machine, "given") == ["given!outer", 2, "outer"]


def test_map_gives_each_iteration_its_item_and_own_variables(output: Callable[..., Any]) -> None:
    machine = {
        "Before": {"Type": "Pass", "Assign": {"v": 10}, "Next": "Each"},
        "Each": {
            "Type": "Map",
            "Items": "{% [1, 2, 3] %}",
            "MaxConcurrency": 2,
            "ItemSelector": {"n": "{% $states.context.Map.Item.Value %}", "i": "{% $states.context.Map.Item.Index %}"},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                **sequence(
                    Add={"Type": "Pass", "Assign": {"v": "{% $v + $states.input.n %}"}, "Next": "Tell"},
                    Tell={"Type": "Pass", "Output": "{% $v * 10 + $states.input.i %}", "End": True},
                ),
            },
            "Output": {"all": "{% $states.result %}", "v": "{% $v %}"},
            "End": True,
        },
    }
    assert output(machine) == {"all": [110, 121, 132], "v": 10}


def test_a_map_over_nothing_gives_an_empty_list(output: Callable[..., Any]) -> None:
    processor = sequence(One={"Type": "Pass", "End": True})
    assert output({"Each": {"Type": "Map", "Items": "{% [] %}", "ItemProcessor": processor, "End": True}}) == []


def test_choice_default_and_succeed_take_output_and_assign_sees_the_values_before(output: Callable[..., Any]) -> None:
    machine = {
        "Set": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"},
        "Swap": {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "Choose"},
        "Choose": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% false %}", "Next": "Choose"}],
            "Output": "by default",
            "Default": "Done",
        },
        "Done": {"Type": "Succeed", "Output": "{% [$states.input, $a, $b] %}"},
    }
    assert output(machine) == ["by default", 2, 1]


def test_an_exception_fails_the_run_under_its_class_with_message_and_trace(
    start: Callable[..., str], ended: Callable[[str], dict[str, Any]], task: Callable[..., Any]
) -> None:
    run = ended(start({"Call": task({"needs": "/nowhere"})}))
    cause = json.loads(run["cause"])
    assert (run["status"], run["error"]) == ("FAILED", "TransientError")
    assert (cause["errorType"], cause["errorMessage"]) == ("TransientError", "not yet")
    assert "in handler" in "".join(cause["stackTrace"])


def test_a_runtime_that_died_is_an_unknown_error(
    start: Callable[..., str], ended: Callable[[str], dict[str, Any]], task: Callable[..., Any]
) -> None:
    assert ended(start({"Call": task({"kill": True})}))["error"] == "Lambda.Unknown"


def test_a_retry_waits_no_longer_than_its_longest_delay(
    output: Callable[..., Any], task: Callable[..., Any], tmp_path: Path
) -> None:
    retry = {"ErrorEquals": ["TransientError"], "IntervalSeconds": 1, "BackoffRate": 50, "MaxDelaySeconds": 2}
    calls = tmp_path / "calls"
    machine = {
        "Call": task({"calls": str(calls), "name": "x", "needs": "/nowhere"}, Retry=[{**retry, "MaxAttempts": 2}])
    }
    machine["Call"]["Catch"] = [{"ErrorEquals": ["TransientError"], "Next": "Done"}]
    machine["Done"] = {"Type": "Succeed"}
    started = time.monotonic()
    output(machine)
    assert time.monotonic() - started < 30
    assert calls.read_text() == "x\n" * 3


def test_a_task_ends_when_its_time_is_over(
    start: Callable[..., str], ended: Callable[[str], dict[str, Any]], task: Callable[..., Any]
) -> None:
    started = time.monotonic()
    run = ended(start({"Call": task({"sleep": 20}, TimeoutSeconds=1)}))
    assert run["error"] == "States.Timeout"
    assert time.monotonic() - started < 10


def test_a_result_over_256_kib_fails_the_run(
    start: Callable[..., str], ended: Callable[[str], dict[str, Any]], task: Callable[..., Any]
) -> None:
    assert ended(start({"Call": task({"bytes": 250 * 1024})}))["status"] == "SUCCEEDED"
    assert ended(start({"Call": task({"bytes": 256 * 1024})}))["error"] == "States.DataLimitExceeded"


def test_a_failing_branch_aborts_its_siblings_and_a_redrive_calls_only_failed_and_aborted_again(
    start: Callable[..., str],
    states: Any,
    ended: Callable[[str], dict[str, Any]],
    task: Callable[..., Any],
    tmp_path: Path,
) -> None:
    calls, needed, slept = tmp_path / "calls", tmp_path / "needed", tmp_path / "slept"

    def call(name: str, **more: Any) -> dict[str, Any]:
        after = {"Next": more.pop("Next")} if "Next" in more else {}
        return task({"calls": str(calls), "name": name, **more}, Output="{% $states.result.Payload.name %}", **after)

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
    arn = start(machine)
    failed = ended(arn)
    assert (failed["status"], failed["redriveStatus"]) == ("FAILED", "REDRIVABLE")
    assert not slept.exists()
    assert sorted(calls.read_text().split()) == ["before", "fail", "quick", "slow"]

    calls.write_text("quick\n")
    needed.touch()
    states.redrive_execution(executionArn=arn)
    redriven = ended(arn)
    assert json.loads(redriven["output"]) == ["quick", "fail", "after", "last"]
    assert (redriven["redriveCount"], redriven["redriveStatus"]) == (1, "NOT_REDRIVABLE")
    assert sorted(calls.read_text().split()) == ["after", "fail", "last", "quick", "slow"]
    history = states.get_execution_history(executionArn=arn, maxResults=1000)["events"]
    entered = [event["stateEnteredEventDetails"]["name"] for event in history if event["type"].endswith("StateEntered")]
    assert sorted(entered) == ["After", "Before", "Fail", "Fail", "Fan", "Last", "Quick", "Slow", "Slow"]
    with pytest.raises(states.exceptions.ExecutionNotRedrivable):
        states.redrive_execution(executionArn=arn)


def test_a_failing_iteration_aborts_the_others_and_a_redrive_takes_up_each_where_it_was(
    start: Callable[..., str],
    states: Any,
    ended: Callable[[str], dict[str, Any]],
    task: Callable[..., Any],
    tmp_path: Path,
) -> None:
    calls, needed, slept = tmp_path / "calls", tmp_path / "needed", tmp_path / "slept"
    payload = {"calls": str(calls), "name": "{% $string($states.input.n) %}"}
    processor = sequence(
        First=task(payload, Output="{% $states.input %}", Next="Second"),
        Second=task(
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
    arn = start(machine)
    assert ended(arn)["status"] == "FAILED"
    assert not slept.exists()
    before = set(calls.read_text().split())
    assert {"0", "1", "1+", "2", "2+"} <= before

    calls.write_text("0+\n")
    needed.touch()
    states.redrive_execution(executionArn=arn)
    assert json.loads(ended(arn)["output"]) == [2, 0, 1, 3, 4, 5]
    after = calls.read_text().split()
    assert {"1+", "2+"} <= set(after)
    assert after.count("0+") == 1
    assert not {"0", "1", "2"} & set(after)


def test_a_branch_that_waits_is_aborted_at_once(
    start: Callable[..., str], ended: Callable[[str], dict[str, Any]], task: Callable[..., Any]
) -> None:
    branches = [sequence(Fail=task({"needs": "/nowhere"})), sequence(Wait={"Type": "Wait", "Seconds": 60, "End": True})]
    started = time.monotonic()
    assert ended(start({"Fan": {"Type": "Parallel", "Branches": branches, "End": True}}))["error"] == "TransientError"
    assert time.monotonic() - started < 30


def test_a_redrive_tells_the_rounds_of_a_loop_apart(
    start: Callable[..., str],
    states: Any,
    ended: Callable[[str], dict[str, Any]],
    task: Callable[..., Any],
    tmp_path: Path,
) -> None:
    calls = tmp_path / "calls"
    payload = {"calls": str(calls), "name": "{% $string($round) %}", "needs": "{% $states.input[$round] %}"}
    machine = {
        "Begin": {"Type": "Pass", "Assign": {"round": 0}, "Next": "Call"},
        "Call": task(payload, Assign={"round": "{% $round + 1 %}"}, Output="{% $states.input %}", Next="More"),
        "More": {"Type": "Choice", "Choices": [{"Condition": "{% $round < 3 %}", "Next": "Call"}], "Default": "Done"},
        "Done": {"Type": "Succeed", "Output": "{% $round %}"},
    }
    needed = tmp_path / "needed"
    arn = start(machine, [str(tmp_path), str(needed), str(tmp_path)])
    assert ended(arn)["status"] == "FAILED"
    needed.touch()
    states.redrive_execution(executionArn=arn)
    assert json.loads(ended(arn)["output"]) == 3
    assert calls.read_text().split() == ["0", "1", "1", "2"]


def test_a_stopped_run_is_aborted_at_once_and_can_be_redriven(
    start: Callable[..., str],
    states: Any,
    ended: Callable[[str], dict[str, Any]],
    task: Callable[..., Any],
    tmp_path: Path,
) -> None:
    calls = tmp_path / "calls"
    wait = {"calls": str(calls), "name": "x", "sleep": 3}
    arn = start({"Call": task(wait, Next="Then"), "Then": task({"calls": str(calls), "name": "then"})})
    while not calls.exists():
        time.sleep(0.05)
    states.stop_execution(executionArn=arn)
    assert ended(arn)["status"] == "ABORTED"
    time.sleep(4)  # the function ends meanwhile: too late
    assert (states.describe_execution(executionArn=arn)["status"], calls.read_text()) == ("ABORTED", "x\n")
    states.redrive_execution(executionArn=arn)
    assert ended(arn)["status"] == "SUCCEEDED"
    assert calls.read_text() == "x\nx\nthen\n"


def test_a_redrive_runs_the_definition_and_role_that_the_execution_started_with(
    start: Callable[..., str],
    states: Any,
    ended: Callable[[str], dict[str, Any]],
    task: Callable[..., Any],
    tmp_path: Path,
) -> None:
    needed = tmp_path / "needed"
    old = start({"Call": task({"needs": str(needed)}, Output="old")})
    machine = ended(old)["stateMachineArn"]
    update = {"QueryLanguage": "JSONata", "StartAt": "New", "States": {"New": task({}, Output="new")}}
    nobody = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    states.update_state_machine(stateMachineArn=machine, definition=json.dumps(update), roleArn=nobody)
    needed.touch()
    states.redrive_execution(executionArn=old)
    assert json.loads(ended(old)["output"]) == "old"
    new = states.start_execution(stateMachineArn=machine)["executionArn"]
    assert "nobody is not authorized" in ended(new)["cause"]


def test_an_execution_of_a_deleted_state_machine_cannot_be_redriven(
    emulator: Emulator, states: Any, roles: dict[str, str], ended: Callable[[str], dict[str, Any]]
) -> None:
    definition = {"StartAt": "Refuse", "States": {"Refuse": {"Type": "Fail"}}}
    properties = {"DefinitionString": json.dumps(definition), "RoleArn": roles["machine"]}
    resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    stacks = aws.client("cloudformation", emulator.client_environment())
    stacks.create_stack(StackName="short-lived", TemplateBody=json.dumps({"Resources": {"Machine": resource}}))
    stacks.get_waiter("stack_create_complete").wait(StackName="short-lived", WaiterConfig={"Delay": 1})
    described = stacks.describe_stack_resource(StackName="short-lived", LogicalResourceId="Machine")
    machine = described["StackResourceDetail"]["PhysicalResourceId"]
    arn = states.start_execution(stateMachineArn=machine)["executionArn"]
    assert ended(arn)["redriveStatus"] == "REDRIVABLE"
    stacks.delete_stack(StackName="short-lived")
    stacks.get_waiter("stack_delete_complete").wait(StackName="short-lived", WaiterConfig={"Delay": 1})
    stacks.close()
    with pytest.raises(states.exceptions.ExecutionNotRedrivable, match="State machine is in DELETING status"):
        states.redrive_execution(executionArn=arn)


def test_functions_reach_the_emulator_and_have_its_folder_for_a_home(
    emulator: Emulator, output: Callable[..., Any], task: Callable[..., Any]
) -> None:
    wanted = ["AWS_ENDPOINT_URL", "AWS_REGION", "HOME"]
    found = output({"Call": task({"environment": wanted}, Output="{% $states.result.Payload %}")})
    assert list(found.values()) == [emulator.endpoint, "eu-west-1", str(emulator.folder)]


def test_a_task_may_do_what_its_machines_role_allows_and_nothing_else(
    start: Callable[..., str], ended: Callable[[str], dict[str, Any]], task: Callable[..., Any]
) -> None:
    assert ended(start({"Call": task({})}))["status"] == "SUCCEEDED"
    denied = ended(start({"Call": task({})}, role="nobody"))
    assert denied["error"] == "Lambda.AWSLambdaException"
    assert "not authorized to perform: lambda:InvokeFunction on resource" in denied["cause"]


@pytest.mark.parametrize(("table", "error"), [("mine", "ResourceNotFoundException"), ("theirs", "DynamoDbException")])
def test_a_table_that_the_role_does_not_name_is_denied_before_it_is_looked_for(
    table: str, error: str, start: Callable[..., str], ended: Callable[[str], dict[str, Any]]
) -> None:
    describe = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:dynamodb:describeTable",
        "Arguments": {"TableName": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"},
        "End": True,
    }
    assert ended(start({"Describe": describe}))["error"] == f"DynamoDb.{error}"


def test_a_schedule_starts_only_what_its_role_allows(emulator: Emulator, states: Any, roles: dict[str, str]) -> None:
    machines = {}
    scheduler = aws.client("scheduler", emulator.client_environment())
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    soon = datetime.now(UTC) + timedelta(seconds=1)
    for name in ("nobody", "machine"):  # in this order
        created = states.create_state_machine(name=f"scheduled-{name}", definition=definition, roleArn=roles["machine"])
        machines[name] = created["stateMachineArn"]
        scheduler.create_schedule(
            Name=name,
            ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": machines[name], "RoleArn": roles[name], "Input": "{}"},
        )
    scheduler.close()
    deadline = time.monotonic() + 30  # the emulator looks every 10 seconds
    while not states.list_executions(stateMachineArn=machines["machine"])["executions"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert states.list_executions(stateMachineArn=machines["nobody"])["executions"] == []


def test_another_version_of_ministack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "version", lambda _: "1.6.0")
    with pytest.raises(SystemExit, match=r"found 1\.6\.0"):
        server.main()


def test_an_emulator_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    monkeypatch.setattr(emulator_module, "_COMMAND", command)
    with pytest.raises(EmulatorError, match="no such thing"):
        Emulator.create(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_nothing_is_left_of_an_emulator_that_was_removed(tmp_path: Path) -> None:
    emulator = Emulator.create(tmp_path / "state")
    assert emulator.is_running()
    Emulator.at(emulator.folder).remove()
    assert (emulator.is_running(), emulator.folder.exists()) == (False, False)
