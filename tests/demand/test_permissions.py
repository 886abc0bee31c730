"""The table of permissions is what the commands call, no less and no more."""

import re
import socket
from functools import partial
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demand.cli.app import EXAMPLES
from demand.errors import DemandError, from_aws
from demand.permissions import COMMANDS, RESOURCES, policy
from scripts.demand_page import POLICIES
from tests.demand.conftest import Demand
from tests.demand.deployed import Stack, counting, deployed
from tests.support.waiting import wait_for

# Those that need a run and nothing else; moto has no RedriveExecution, and others have tests of their own.
OF_A_RUN = ("status", "watch", "runs", "show", "logs", "locks", "pause", "resume", "config")
PASSED_ON = {"iam:PassRole"}  # checked by AWS within another call
AFTER_A_FAILURE = {"status": {"states:GetExecutionHistory"}}  # the time of an automatic redrive: test_repair.py


def test_every_command_has_its_permissions() -> None:
    assert COMMANDS.keys() == EXAMPLES.keys()
    assert {permission.resource for needed in COMMANDS.values() for permission in needed} == RESOURCES.keys()
    assert len(policy(COMMANDS)["Statement"]) == len(RESOURCES)


def test_only_a_rollback_and_a_rehearsal_may_call_the_function_that_changes() -> None:
    changing = {name for name, needed in COMMANDS.items() if "changing function" in {each.resource for each in needed}}
    assert changing == {"rollback", "doctor"}


@pytest.mark.parametrize("title", list(POLICIES)[:2])
def test_who_looks_or_reads_may_change_nothing(title: str) -> None:
    allowed = [action for statement in policy(*POLICIES[title])["Statement"] for action in statement["Action"]]
    verbs = {re.sub(r"(?<!^)[A-Z].*", "", action.partition(":")[2]) for action in allowed}
    assert verbs <= {"Describe", "List", "Get", "Filter", "Invoke"}
    resources = [entry.resource for command in POLICIES[title][0] for entry in COMMANDS[command]]
    assert "changing function" not in resources


def called(stack: Stack, demand: Demand, *words: str) -> set[str]:
    stack.calls.clear()
    demand(*words)
    return set(stack.calls)


def test_a_command_calls_what_its_line_names_and_nothing_else(demand: Demand) -> None:
    with deployed(counting(rejected=1)) as stack:
        demand("run", "--tables", "cases")
        for command in OF_A_RUN:  # in this order: what was paused can be resumed
            left_out = PASSED_ON | AFTER_A_FAILURE.get(command, set())
            needed = {permission.action for permission in COMMANDS[command]} - left_out
            assert called(stack, demand, command) == needed, command
        needed = {permission.action for permission in COMMANDS["run"]}
        assert called(stack, demand, "run") == needed


def test_stopping_a_run_calls_what_its_line_names(demand: Demand) -> None:
    scanning, go_on = Event(), Event()

    def around(task: Any, proceed: Any) -> Any:
        if task.state.startswith("Scan"):
            scanning.set()
            assert go_on.wait(60)
        return proceed()

    with deployed(counting(), around=around) as stack:
        demand("run", "--tables", "cases", "--detach")
        assert scanning.wait(60)
        assert called(stack, demand, "stop", "--yes") == {permission.action for permission in COMMANDS["stop"]}
        go_on.set()
        states = stack.client("stepfunctions")
        runs = partial(states.list_executions, stateMachineArn=stack.machine.arn)
        wait_for(lambda: runs()["executions"][0]["status"] != "RUNNING")  # moto ends its threads only now


DENIED = (
    "User: arn:aws:iam::1:user/me is not authorized to perform: states:ListExecutions on resource: arn:x because no"
)


@pytest.mark.parametrize(
    ("code", "message", "kind", "told"),
    [
        ("AccessDeniedException", DENIED, "AccessDenied", "missing permission states:ListExecutions: User"),
        ("AccessDenied", "Access Denied", "AccessDenied", "missing permission states:ListExecutions: Access Denied"),
        ("ExpiredTokenException", "The security token is expired", "ExpiredCredentials", "have expired"),
        (
            "UnrecognizedClientException",
            "The security token is invalid",
            "InvalidCredentials",
            "rejected these credentials",
        ),
        ("ThrottlingException", "Rate exceeded", "ThrottlingException", "ListExecutions: Rate exceeded"),
    ],
)
def test_a_refusal_of_aws_is_named_with_its_action(code: str, message: str, kind: str, told: str) -> None:
    found = from_aws(ClientError({"Error": {"Code": code, "Message": message}}, "ListExecutions"))
    assert isinstance(found, DemandError)
    assert found.kind == kind
    assert told in found.message


def test_an_endpoint_where_nothing_answers_any_more_is_named_with_its_variable(
    demand: Demand, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # bound, but nobody listens: no other test gets its port
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setattr("demand.aws._ATTEMPTS", 1)
        error = demand("runs", "--json").json["error"]
    assert error["kind"] == "NoConnection"
    assert error["message"].startswith(f"cannot reach AWS_ENDPOINT_URL {endpoint}")
    assert "source .local/env again" in error["hint"]


def test_no_credentials_and_an_unknown_profile_are_said_as_such(
    demand: Demand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    said = demand("runs", "--json")
    assert (said.code, said.json["error"]["kind"]) == (2, "NoCredentials")
    said = demand("runs", "--profile", "nobody", "--json")
    assert (said.code, said.json["error"]["kind"]) == (2, "UnknownProfile")
    assert "nobody" in said.json["error"]["message"]
