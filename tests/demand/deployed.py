"""A deployed stack for the command line: the state machine in moto, and what CloudFormation reports of it."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import boto3
from botocore.exceptions import ClientError

from demand.aws import Clients
from demand_pipeline.s3.staging import rejects_key
from tests.statemachine.conftest import one_at_a_time
from tests.statemachine.fakes import handlers, sized
from tests.statemachine.harness import ACCOUNT, Machine
from tests.support.aws import REGION
from tests.support.functions import Handler
from tests.support.operate import OUTPUTS

STACK = "demand-pipeline-test"
BUCKET = "staging-test"
LOG_GROUP = f"/aws/lambda/{STACK}/ScanSegment"
SCHEDULE: dict[str, Any] = {
    "Name": "schedule",
    "Description": "Starts a refresh.",
    "ScheduleExpression": "cron(0 3 * * ? *)",
    "ScheduleExpressionTimezone": "Europe/Dublin",
    "State": "ENABLED",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {
        "Arn": "arn:aws:states:eu-west-1:123456789012:stateMachine:machine",
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/schedule",
        "Input": "{}",
        "RetryPolicy": {"MaximumEventAgeInSeconds": 900, "MaximumRetryAttempts": 3},
    },
}


ALARM = {"Namespace": "AWS/States", "MetricName": "ExecutionsFailed", "Statistic": "Sum", "Period": 300,
         "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 0}  # fmt: skip
RESOURCES = {
    "ScanSegmentLogs": ("AWS::Logs::LogGroup", LOG_GROUP),
    "Schedule": ("AWS::Scheduler::Schedule", SCHEDULE["Name"]),
    "RunFailedAlarm": ("AWS::CloudWatch::Alarm", f"{STACK}-RunFailedAlarm-1A2B"),
    "NoSuccessCasesAlarm": ("AWS::CloudWatch::Alarm", f"{STACK}-NoSuccessCasesAlarm-3C4D"),
}
# IAM's prefix where it differs from the one that signs requests.
PREFIXES = {"monitoring": "cloudwatch"}


def counting(rejected: int = 0, warnings: tuple[str, ...] = (), previous: int = 3) -> dict[str, Handler]:
    """Functions that count, and a load that warns; of every chunk `rejected` items are rejects, each with a value of its own in its reason."""
    functions = handlers()

    def around(transform: Handler) -> Handler:
        def call(event: dict[str, Any], context: Any) -> dict[str, Any]:
            answer = transform(event, context)
            if rejected:
                reasons = [{"reason": f"due_date: expected date, got S 'no {number}'"} for number in range(rejected)]
                lines = "".join(f"{json.dumps(reason)}\n" for reason in reasons)
                s3: Any = boto3.client("s3", region_name=REGION)
                s3.put_object(Bucket=BUCKET, Key=rejects_key(answer["key"]), Body=gzip.compress(lines.encode()))
            return {**answer, "staged": answer["staged"] - rejected, "rejected": rejected}

        return call

    def load(event: dict[str, Any], _: Any) -> dict[str, Any]:
        tables = []
        for table in event["tables"]:
            chunks = [chunk for segment in table["segments"] for chunk in segment["chunks"]]
            sums = {
                name: sum(chunk[name] for chunk in chunks) for name in ("scanned", "staged", "rejected", "sanitized")
            }
            counts = {
                "loaded": sums["staged"],
                "inserted": sums["staged"],
                "updated": 0,
                "deleted": 0,
                "previousRows": previous,
            }
            units = sum(chunk["readUnits"] for chunk in chunks)
            more = {
                "segments": len(table["segments"]),
                "chunks": len(chunks),
                "readUnits": units,
                "bytes": 1,
                "loadSeconds": 0.5,
            }
            tables.append({"table": table["table"], **sums, **counts, **more})
        return {
            "committed": not event["dryRun"],
            "tables": tables,
            "warnings": list(warnings),
            "schemaChanges": ["column a.b added"],
        }

    transforms = {name: around(function) for name, function in functions.items() if name.startswith("Transform")}
    return functions | transforms | {"LoadWarehouse": load}


class CloudFormation:
    """Answers for one stack: moto's needs packages that nothing else here does."""

    def __init__(self, outputs: dict[str, str], resources: dict[str, tuple[str, str]]) -> None:
        self.calls: list[str] = []
        parameters = {"ScheduleState": "ENABLED", "MaxHoursWithoutSuccess": "26"}
        self._stack: dict[str, Any] = {
            "StackName": STACK,
            "StackStatus": "CREATE_COMPLETE",
            "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()],
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        }
        self._resources = [
            {"LogicalResourceId": name, "ResourceType": kind, "PhysicalResourceId": physical}
            for name, (kind, physical) in resources.items()
        ]

    def describe_stacks(self, StackName: str | None = None) -> Any:  # noqa: N803 - boto3's
        self.calls.append("cloudformation:DescribeStacks")
        if StackName not in (None, STACK):
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": [self._stack]}

    def get_paginator(self, name: str) -> Any:
        if name == "describe_stacks":
            return mock.Mock(paginate=lambda: [self.describe_stacks()])

        def list_stack_resources(StackName: str) -> list[Any]:  # noqa: N803 - boto3's
            assert (name, StackName) == ("list_stack_resources", STACK)
            self.calls.append("cloudformation:ListStackResources")
            return [{"StackResourceSummaries": self._resources}]

        return mock.Mock(paginate=list_stack_resources)


class Denied:
    """Lambda for a user who may not call the function that knows the warehouse."""

    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def invoke(self, **_: Any) -> Any:
        self._calls.append("lambda:InvokeFunction")
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Invoke")


@dataclass
class Stack:
    """The deployed stack for tests: the machine, and the API calls of the commands."""

    machine: Machine
    calls: list[str]

    def client(self, service: str) -> Any:
        made: Any = boto3.client
        return made(service, region_name=REGION)


@contextmanager
def clients_recorded(fakes: dict[str, Any], calls: list[str]) -> Iterator[None]:
    """Commands get the fakes for their services, and real clients for others, whose calls are added to `calls`."""
    make = Clients._make

    def recording(clients: Clients, service: str) -> Any:
        if service in fakes:
            return fakes[service]
        made = make(clients, service)
        signing = made.meta.service_model.signing_name
        prefix = PREFIXES.get(signing, signing)
        made.meta.events.register("before-call", lambda model, **_: calls.append(f"{prefix}:{model.name}"))
        return made

    with mock.patch.object(Clients, "_make", recording):
        yield


def create_resources(client: Callable[[str], Any]) -> None:
    client("logs").create_log_group(logGroupName=LOG_GROUP)
    client("scheduler").create_schedule(**SCHEDULE)
    for kind, name in RESOURCES.values():
        if kind == "AWS::CloudWatch::Alarm":
            client("cloudwatch").put_metric_alarm(AlarmName=name, ActionsEnabled="NoSuccess" not in name, **ALARM)


@contextmanager
def redriving(machine: Machine) -> Iterator[None]:
    """Clients of Step Functions redrive an execution, count its redrives and know whether it can be redriven: moto lacks it."""
    make = Clients._make
    counts: Counter[str] = Counter()

    def redrive(executionArn: str) -> None:  # noqa: N803 - boto3's
        counts[executionArn] += 1
        machine.redrive(executionArn)

    def describe(parsed: dict[str, Any], **_: Any) -> None:
        if "executionArn" in parsed:
            can = parsed["status"] in ("FAILED", "ABORTED", "TIMED_OUT")
            parsed["redriveCount"] = counts[parsed["executionArn"]]
            parsed["redriveStatus"] = "REDRIVABLE" if can else "NOT_REDRIVABLE"

    def redrivable(clients: Clients, service: str) -> Any:
        made = make(clients, service)
        if service == "stepfunctions":
            made.meta.events.register("after-call.stepfunctions.DescribeExecution", describe)
            made.redrive_execution = redrive
        return made

    with mock.patch.object(Clients, "_make", redrivable):
        yield


@contextmanager
def deployed(handlers: dict[str, Handler], **settings: Any) -> Iterator[Stack]:
    """The stack: CloudFormation's answers, the schedule, a log group, the bucket, and the machine over the functions."""
    around = settings.pop("around", None)
    with Machine(one_at_a_time(handlers), around=sized(then=around), **settings) as machine:
        outputs = {"StateMachineArn": machine.arn, "StagingBucketName": BUCKET, **OUTPUTS}
        cloudformation = CloudFormation(outputs, RESOURCES)
        fakes = {"cloudformation": cloudformation, "lambda": Denied(cloudformation.calls)}
        with clients_recorded(fakes, cloudformation.calls):
            stack = Stack(machine, cloudformation.calls)
            create_resources(stack.client)
            where = {"LocationConstraint": REGION}
            stack.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
            yield stack
