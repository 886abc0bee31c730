"""The emulator allows what a role allows, and nothing else."""

import pytest

from local.emulator.emulator import ACCOUNT, REGION
from tests.local.emulator.conftest import Machines, Schedules
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("emulator")


def test_a_task_may_do_what_its_machines_role_allows_and_nothing_else(machines: Machines) -> None:
    assert machines.run({"Call": machines.task({})})["status"] == "SUCCEEDED"
    denied = machines.run({"Call": machines.task({})}, role="nobody")
    assert denied["error"] == "Lambda.AWSLambdaException"
    assert "not authorized to perform: lambda:InvokeFunction on resource" in denied["cause"]


@pytest.mark.parametrize(("table", "error"), [("mine", "ResourceNotFoundException"), ("theirs", "DynamoDbException")])
def test_a_table_that_the_role_does_not_name_is_denied_before_it_is_looked_for(
    machines: Machines, table: str, error: str
) -> None:
    describe = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:dynamodb:describeTable",
        "Arguments": {"TableName": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"},
        "End": True,
    }
    assert machines.run({"Describe": describe})["error"] == f"DynamoDb.{error}"


def test_a_schedule_starts_only_what_its_role_allows(machines: Machines, schedules: Schedules) -> None:
    expression = schedules.now()
    arns = {name: schedules.create(name, expression, role=name) for name in ("nobody", "machine")}  # in this order
    wait_for(lambda: machines.runs(arns["machine"]))
    assert machines.runs(arns["nobody"]) == []
