"""One emulator for its tests, and state machines that run in it."""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from local import aws
from local.emulator.emulator import ACCOUNT, Emulator
from tests.support.waiting import wait_for

# Does what its event says. `calls` is a file in which it writes its name; `awaits` waits for such names.
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


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator.create(tmp_path_factory.mktemp("emulator") / "state")
    yield emulator
    emulator.remove()


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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


@dataclass
class Machines:
    """State machines whose Tasks call one function."""

    client: Any
    roles: dict[str, str]
    function: str

    def task(self, payload: Any, **fields: Any) -> dict[str, Any]:
        """A Task state that calls the function with this payload."""
        arguments = {"FunctionName": self.function, "Payload": payload}
        after = {} if "Next" in fields else {"End": True}
        resource = "arn:aws:states:::lambda:invoke"
        return {"Type": "Task", "Resource": resource, "Arguments": arguments, "TimeoutSeconds": 20, **after, **fields}

    def create(self, states: dict[str, Any], role: str = "machine") -> str:
        """Create a machine of these states; its ARN."""
        definition = json.dumps({"QueryLanguage": "JSONata", **sequence(**states)})
        name = f"machine-{time.monotonic_ns()}"
        created = self.client.create_state_machine(name=name, definition=definition, roleArn=self.roles[role])
        return str(created["stateMachineArn"])

    def start(self, states: dict[str, Any], given: Any = None, role: str = "machine") -> str:
        """Start a run of these states; its ARN."""
        started = self.client.start_execution(stateMachineArn=self.create(states, role), input=json.dumps(given))
        return str(started["executionArn"])

    def runs(self, machine: str) -> list[str]:
        """The ARNs of a machine's runs."""
        listed = self.client.list_executions(stateMachineArn=machine)["executions"]
        return [run["executionArn"] for run in listed]

    def end(self, arn: str) -> dict[str, Any]:
        """Wait for the end of a run; its description."""
        wait_for(lambda: self.client.describe_execution(executionArn=arn)["status"] != "RUNNING")
        return dict(self.client.describe_execution(executionArn=arn))

    def run(self, states: dict[str, Any], given: Any = None, role: str = "machine") -> dict[str, Any]:
        """Start a run, and wait for its end."""
        return self.end(self.start(states, given, role))

    def redrive(self, arn: str) -> dict[str, Any]:
        """Redrive a run, and wait for its end."""
        self.client.redrive_execution(executionArn=arn)
        return self.end(arn)

    def output(self, states: dict[str, Any], given: Any = None) -> Any:
        """Run a machine that is to succeed; its output."""
        run = self.run(states, given)
        assert run["status"] == "SUCCEEDED", run
        return json.loads(run["output"])


@pytest.fixture(scope="session")
def machines(emulator: Emulator, roles: dict[str, str], function: str) -> Iterator[Machines]:
    client = aws.client("stepfunctions", emulator.client_environment())
    yield Machines(client, roles, function)
    client.close()


@dataclass
class Schedules:
    """Schedules, each with a state machine of its own that it starts."""

    client: Any
    machines: Machines

    def now(self) -> str:
        """The expression of a schedule that is due."""
        return f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})"

    def create(self, name: str, expression: str, role: str = "machine") -> str:
        """Create a schedule; the ARN of its machine."""
        machine = self.machines.create({"Done": {"Type": "Succeed"}})
        target = {"Arn": machine, "RoleArn": self.machines.roles[role], "Input": "{}"}
        self.client.create_schedule(
            Name=name, ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"}, Target=target
        )
        return machine

    def update(self, name: str, expression: str) -> None:
        """Change when a schedule starts its machine."""
        known = self.client.get_schedule(Name=name)
        kept = {field: known[field] for field in ("Name", "FlexibleTimeWindow", "Target")}
        self.client.update_schedule(**kept, ScheduleExpression=expression)


@pytest.fixture(scope="session")
def schedules(emulator: Emulator, machines: Machines) -> Iterator[Schedules]:
    client = aws.client("scheduler", emulator.client_environment())
    yield Schedules(client, machines)
    client.close()


def sequence(**states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}
