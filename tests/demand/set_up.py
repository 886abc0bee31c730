"""A set-up for `demand doctor` that works, of which a test breaks something."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demand.config import Config, Flags, find_config
from demand.doctor.diagnosis import examine
from demand.stack import Stack
from demand.warehouse import through_function
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.operating.check import Finding
from demand_pipeline.tables import camel_case
from local.seed import create_table
from tests.support.aws import BUCKET, REGION
from tests.support.aws import client as aws
from tests.support.operate import OUTPUTS, Lambda
from tests.support.warehouse import Warehouse, variables

ACCOUNT = "123456789012"
FIRST = next(iter(TABLES.values()))
SAMCONFIG = """[default.deploy.parameters]
stack_name = "test"
parameter_overrides = ["LoadStrategy=truncate"]
"""
ROLES = {"ScanSegmentRoleArn": "dynamodb:Scan", "DemandPipelineRoleArn": "dynamodb:DescribeTable"}


class CloudFormation:
    """One stack."""

    status = "UPDATE_COMPLETE"

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        return {"Stacks": [{"StackName": StackName, "StackStatus": self.status}]}

    def get_template_summary(self, **_: Any) -> dict[str, Any]:
        return {"Parameters": [{"ParameterKey": "LoadStrategy", "DefaultValue": "truncate"}]}

    def get_paginator(self, _: str) -> Any:
        schedule = {"LogicalResourceId": "Schedule", "ResourceType": "AWS::Scheduler::Schedule"}
        role = {"LogicalResourceId": "Role", "ResourceType": "AWS::IAM::Role"}
        entries = [{**schedule, "PhysicalResourceId": "nightly"}, {**role, "PhysicalResourceId": "role"}]
        return Pages([{"StackResourceSummaries": entries}])


@dataclass
class Pages:
    """A paginator's pages, whatever is asked."""

    pages: list[dict[str, Any]]

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return self.pages


@dataclass
class Validation:
    """Step Functions' and Access Analyzer's judgement, which moto has not; a code refuses to give one."""

    refusal: str = ""
    diagnostics: list[dict[str, str]] = field(default_factory=list)
    findings: list[dict[str, str]] = field(default_factory=list)

    def describe_state_machine(self, **_: Any) -> dict[str, str]:
        return {"definition": "{}"}

    def validate_state_machine_definition(self, **_: Any) -> dict[str, Any]:
        self._refuse("ValidateStateMachineDefinition")
        return {"result": "FAIL" if self.diagnostics else "OK", "diagnostics": self.diagnostics}

    def get_paginator(self, _: str) -> Any:
        self._refuse("ValidatePolicy")
        return Pages([{"findings": self.findings}])

    def _refuse(self, operation: str) -> None:
        if self.refusal:
            message = f"User: me is not authorized to perform: service:{operation} on resource: x"
            raise ClientError({"Error": {"Code": self.refusal, "Message": message}}, operation)


@dataclass
class SetUp:
    """A stack that works; a test breaks something of it."""

    warehouse: Warehouse
    monkeypatch: pytest.MonkeyPatch
    parameters: dict[str, str]
    outputs: dict[str, str]
    config: Config
    functions: Lambda = field(default_factory=Lambda)
    cloudformation: CloudFormation = field(default_factory=CloudFormation)
    validation: Validation = field(default_factory=Validation)

    calls: set[str] = field(default_factory=set)

    def client(self, service: str) -> Any:
        fakes = {"lambda": self.functions, "cloudformation": self.cloudformation}
        if service in ("stepfunctions", "accessanalyzer"):
            return self.validation
        return fakes.get(service) or self._recorded(aws(service))

    def _recorded(self, client: Any) -> Any:
        prefix = client.meta.service_model.signing_name
        client.meta.events.register("before-call", lambda model, **_: self.calls.add(f"{prefix}:{model.name}"))
        return client

    def findings(self) -> list[Finding]:
        stack = Stack("test", REGION, self.outputs, self.parameters, self.client)
        return list(examine(self.client, lambda: stack, through_function, lambda: self.config))


@contextmanager
def working(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[SetUp]:
    """A set-up without a problem, in the AWS of the test."""
    for name, value in variables(warehouse.settings).items():
        monkeypatch.setenv(name, value)
    for table in TABLES.values():
        create_table(aws("dynamodb"), table.source, table)
    rule = {"ID": "runs", "Status": "Enabled", "Filter": {"Prefix": "runs/"}, "Expiration": {"Days": 30}}
    keep(rule)
    topic = aws("sns").create_topic(Name="alarms")["TopicArn"]
    aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:alarms")
    queue = aws("sqs").create_queue(QueueName="lost")["QueueUrl"]
    target = {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:x", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/x"}
    aws("scheduler").create_schedule(
        Name="nightly", ScheduleExpression="rate(1 days)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}],
    }
    aws("iam").create_role(RoleName="role", AssumeRolePolicyDocument=json.dumps(trust))
    aws("iam").put_role_policy(RoleName="role", PolicyName="inline", PolicyDocument=json.dumps(trust))
    parameters = {
        **{f"{camel_case(table.source)}Table": table.source for table in TABLES.values()},
        "SourceAccountId": "",
        "KmsKeyArns": "",
        "PostgresSecretArn": warehouse.settings.secret,
        "PostgresTlsRootSecretArn": warehouse.settings.tls_root_secret,
        "LoadStrategy": "truncate",
        "MaxReadUnitsPerSecond": "0",
        "MaxFunctionsPerTable": "40",
        "ScheduleState": "ENABLED",
        "StagingKmsKeyArn": "",
    }
    outputs = {
        "StateMachineArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:demand",
        "StagingBucketName": BUCKET,
        **OUTPUTS,
        "AlarmTopicArn": topic,
        "ScheduleDeadLettersUrl": queue,
        **{output: f"arn:aws:iam::{ACCOUNT}:role/{output}" for output in ROLES},
    }
    samconfig = folder / "samconfig.toml"
    samconfig.write_text(SAMCONFIG)
    yield SetUp(warehouse, monkeypatch, parameters, outputs, find_config(Flags(config_file=samconfig), {}))
    warehouse.sql(f"ALTER ROLE {warehouse.server.user} PASSWORD '{warehouse.server.password}'")


def keep(rule: dict[str, Any]) -> None:
    aws("s3").put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
