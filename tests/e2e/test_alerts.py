"""What the alarm topic's subscribers get about runs, through the deployed rules: of each end that somebody waits for."""

import json
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

type Messages = Callable[[], list[Any]]


@pytest.fixture
def messages(client: Client) -> Iterator[Messages]:
    """All messages so far, as a queue that subscribes to the topic gets them."""
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

    def messages() -> list[Any]:
        for message in queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", ()):
            received.append(json.loads(message["Body"]))
            queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return received

    yield messages
    topics.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
    queues.delete_queue(QueueUrl=queue)


def test_a_failure_its_recovery_and_a_stop_are_reported_once_each_and_a_plain_success_is_not(
    client: Client, start: Start, ended: End, deploy: Deploy, messages: Messages
) -> None:
    states = client("stepfunctions")
    assert ended(start(ONE))["status"] == "SUCCEEDED"

    deploy(BROKEN, segment=1)
    try:
        run = ended(start(ONE))
    finally:
        deploy(BROKEN)
    wait_for(messages)
    [failed] = messages()
    told = (failed["run"], failed["status"], failed["error"], failed["redriveStatus"])
    assert told == (run["name"], "FAILED", "RuntimeError", "REDRIVABLE")
    assert failed["runbook"].endswith("#RuntimeError")
    assert failed["console"].endswith(run["executionArn"])

    states.redrive_execution(executionArn=failed["redrive"].split()[-1])
    assert ended(run["executionArn"])["status"] == "SUCCEEDED"
    wait_for(lambda: len(messages()) > 1)
    [_, recovered] = messages()
    assert (recovered["run"], recovered["status"], recovered["redrives"]) == (run["name"], "SUCCEEDED", 1)

    states.stop_execution(executionArn=start(ONE))
    wait_for(lambda: len(messages()) > 2)
    [_, _, stopped] = messages()
    assert (stopped["status"], stopped["redrive"].split()[2]) == ("ABORTED", "redrive-execution")
    assert stopped["runbook"].endswith("#RunAbortedAlarm")
