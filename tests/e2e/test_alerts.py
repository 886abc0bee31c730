"""The deployed rules send the alarm topic's subscribers a message about each relevant end of a run."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from tests.e2e.conftest import Client, Deploy, End, Start
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.slow, pytest.mark.usefixtures("empty_tables")]

FIRST = next(iter(TABLES))
BROKEN = f"Transform{camel_case(FIRST)}"
ONE = {"tables": [FIRST]}

type Messages = Callable[[str], list[Any]]


@pytest.fixture
def messages(client: Client) -> Iterator[Messages]:
    """The messages about a run so far, as a queue that subscribes to the topic gets them."""
    topics, queues = client("sns"), client("sqs")
    resources = client("cloudformation").describe_stack_resources(StackName="demand-pipeline-local")["StackResources"]
    [topic] = [found["PhysicalResourceId"] for found in resources if found["LogicalResourceId"] == "AlarmTopic"]
    queue = queues.create_queue(QueueName="alerts")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allowed, "Resource": arn}]}
    queues.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    subscribed = topics.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )
    received: list[Any] = []

    def messages(run: str) -> list[Any]:
        for message in queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", ()):
            received.append(json.loads(message["Body"]))
            queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [message for message in received if message["run"] == run]

    yield messages
    topics.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
    queues.delete_queue(QueueUrl=queue)


def test_a_failure_its_recovery_and_a_stop_are_reported_once_each_and_a_plain_success_is_not(
    client: Client, start: Start, ended: End, deploy: Deploy, messages: Messages
) -> None:
    states = client("stepfunctions")
    ended(start(ONE))  # whatever other tests have left, the last run has succeeded now
    fine = ended(start(ONE))
    assert fine["status"] == "SUCCEEDED"

    deploy(BROKEN, segment=1)
    try:
        run = ended(start(ONE))
    finally:
        deploy(BROKEN)
    wait_for(lambda: messages(run["name"]))
    [failed] = messages(run["name"])
    told = (failed["status"], failed["error"], failed["redriveStatus"])
    assert told == ("FAILED", "RuntimeError", "REDRIVABLE")
    assert failed["runbook"].endswith("#RuntimeError")
    assert failed["console"].endswith(run["executionArn"])

    states.redrive_execution(executionArn=failed["redrive"].split()[-1])
    assert ended(run["executionArn"])["status"] == "SUCCEEDED"
    wait_for(lambda: len(messages(run["name"])) > 1)
    [_, recovered] = messages(run["name"])
    assert (recovered["status"], recovered["redrives"]) == ("SUCCEEDED", 1)

    arn = start(ONE)
    states.stop_execution(executionArn=arn)
    name = arn.rpartition(":")[2]
    wait_for(lambda: messages(name))
    [stopped] = messages(name)
    assert (stopped["status"], stopped["redrive"].split()[2]) == ("ABORTED", "redrive-execution")
    assert stopped["runbook"].endswith("#RunAbortedAlarm")

    after = ended(start(ONE))
    wait_for(lambda: messages(after["name"]))
    [again] = messages(after["name"])
    assert (again["status"], f"{name}, is ABORTED" in again["next"]) == ("SUCCEEDED", True)
    assert messages(fine["name"]) == []


def test_a_failure_that_passes_is_redriven_after_a_pause_and_only_the_recovery_is_reported(
    client: Client, start: Start, ended: End, deploy: Deploy, messages: Messages
) -> None:
    states = client("stepfunctions")

    def shown(run: str) -> Any:
        command = [sys.executable, "-m", "demand", "show", run, "--json"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        return json.loads(said.stdout)["redrives"]

    deploy(BROKEN, segment=1, error="States.Timeout")
    try:
        run = ended(start(ONE))
        assert (run["status"], run["error"]) == ("FAILED", "States.Timeout")
        wait_for(lambda: (shown(run["name"]) or {}).get("next"))
    finally:
        deploy(BROKEN)
    assert messages(run["name"]) == []
    wait_for(lambda: states.describe_execution(executionArn=run["executionArn"])["redriveCount"] == 1, 120, pause=1)
    assert ended(run["executionArn"])["status"] == "SUCCEEDED"
    wait_for(lambda: messages(run["name"]))
    [recovered] = messages(run["name"])
    assert (recovered["status"], recovered["redrives"]) == ("SUCCEEDED", 1)
    assert shown(run["name"]) == {"automatic": 1, "by_people": 0, "next": None}
