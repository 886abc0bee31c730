"""`demand doctor` is content with what works, and names what was broken on purpose."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demand.doctor.diagnosis import examine
from demand.permissions import COMMANDS
from demand.stack import Stack
from demand.warehouse import through_function
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.operating.check import Finding, State
from tests.demand.conftest import Demand
from tests.demand.set_up import ACCOUNT, FIRST, ROLES, Pages, SetUp, keep, working
from tests.support.aws import client as aws
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.long


@pytest.fixture
def setup(aws: None, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SetUp]:
    with working(warehouse, monkeypatch, tmp_path) as setup:
        yield setup


def test_a_set_up_that_works_has_no_finding_but_good_ones(setup: SetUp) -> None:
    findings = setup.findings()
    assert [finding for finding in findings if finding.state is not State.OK] == []
    subjects = {finding.subject for finding in findings}
    assert subjects >= {
        "credentials",
        "stack",
        "concurrency",
        "TLS",
        "retention",
        "schedule",
        "alarms",
        "definition",
        "policies",
    }
    assert subjects >= {f"source table {table.source}" for table in TABLES.values()}


def replace_first(setup: SetUp, **changes: Any) -> None:
    client = aws("dynamodb")
    client.delete_table(TableName=FIRST.source)
    key = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    }
    client.create_table(TableName=FIRST.source, **{**key, "BillingMode": "PAY_PER_REQUEST", **changes})


def declared_key() -> dict[str, Any]:
    described = aws("dynamodb").describe_table(TableName=FIRST.source)["Table"]
    return {name: described[name] for name in ("KeySchema", "AttributeDefinitions")}


def provision(setup: SetUp) -> None:
    units = {"ReadCapacityUnits": 500, "WriteCapacityUnits": 5}
    replace_first(setup, **declared_key(), BillingMode="PROVISIONED", ProvisionedThroughput=units)


def new_key(**options: Any) -> str:
    return str(aws("kms").create_key(**options)["KeyMetadata"]["Arn"])


def use_another_account(setup: SetUp) -> None:
    setup.parameters["SourceAccountId"] = ACCOUNT
    for table in TABLES.values():
        arn = aws("dynamodb").describe_table(TableName=table.source)["Table"]["TableArn"]
        allowed = [action for action in ROLES if table is not FIRST or action == "DemandPipelineRoleArn"]
        statements = [
            {"Effect": "Allow", "Principal": {"AWS": setup.outputs[role]}, "Action": ROLES[role], "Resource": arn}
            for role in allowed
        ]
        policy = {"Version": "2012-10-17", "Statement": statements}
        aws("dynamodb").put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy))


def encrypt_secret(setup: SetUp, key: str) -> None:
    aws("secretsmanager").update_secret(SecretId=setup.warehouse.settings.secret, KmsKeyId=key)


def disable_bucket_key(setup: SetUp) -> None:
    setup.parameters["StagingKmsKeyArn"] = key = new_key()
    aws("kms").disable_key(KeyId=key.rpartition("/")[2])


def subscribe_by_mail(setup: SetUp) -> None:
    setup.monkeypatch.setattr(
        setup, "client", lambda service, then=setup.client: Unconfirmed() if service == "sns" else then(service)
    )


class Unconfirmed:
    """SNS, which moto confirms subscriptions of at once."""

    def get_paginator(self, _: str) -> Any:
        return Pages(
            [{"Subscriptions": [{"Endpoint": "on-call@example.com", "SubscriptionArn": "PendingConfirmation"}]}]
        )


def pause(setup: SetUp) -> None:
    found = aws("scheduler").get_schedule(Name="nightly")
    kept = {name: found[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    aws("scheduler").update_schedule(**kept, State="DISABLED")


def schema(setup: SetUp, text: str) -> None:
    setup.warehouse.sql(f"CREATE SCHEMA warehouse AUTHORIZATION pipeline; {text}")


def env(setup: SetUp, name: str, value: str) -> None:
    setup.monkeypatch.setenv(name, value)


type Break = Callable[[SetUp], object]
BROKEN: dict[str, tuple[Break, str, State, str]] = {
    "a rolled back stack": (lambda s: setattr(s.cloudformation, "status", "UPDATE_ROLLBACK_COMPLETE"), "stack", State.WARNING, "the last deployment failed"),
    "a stack that failed": (lambda s: setattr(s.cloudformation, "status", "UPDATE_ROLLBACK_FAILED"), "stack", State.FAILURE, "UPDATE_ROLLBACK_FAILED"),
    "a strategy that is not deployed": (lambda s: s.parameters.update(LoadStrategy="merge"), "parameters", State.WARNING, "LoadStrategy is 'merge' in the stack"),
    "a missing source table": (lambda s: s.parameters.update(DocumentsTable="docs"), "source table docs", State.FAILURE, "no such table in eu-west-1"),
    "a table with another key": (replace_first, f"source table {FIRST.source}", State.FAILURE, "expected the key documentId, as cases is declared, found id"),
    "a table with little capacity": (provision, f"source table {FIRST.source}", State.WARNING, "500 read units per second, and the scan has no limit"),
    "another account's table without a policy": (use_another_account, f"source table {FIRST.source}", State.FAILURE, "the resource policy does not allow"),
    "an account with few functions": (lambda s: setattr(s.functions, "free", 100), "concurrency", State.WARNING, "up to 160 functions at once, but only 100 are free"),
    "a missing secret": (lambda s: s.parameters.update(PostgresSecretArn=s.parameters["PostgresSecretArn"] + "x"), "secret PostgresSecretArn", State.FAILURE, "does not exist"),
    "a secret being deleted": (lambda _: aws("secretsmanager").delete_secret(SecretId="root"), "secret PostgresTlsRootSecretArn", State.FAILURE, "root is being deleted"),
    "a secret with a key of its own": (lambda s: encrypt_secret(s, new_key()), "secret PostgresSecretArn", State.FAILURE, "is not in KmsKeyArns"),
    "a disabled key of the bucket": (disable_bucket_key, "retention", State.FAILURE, "is Disabled"),
    "a wrong password": (lambda s: s.warehouse.put_secret("pipeline", "wrong"), "login", State.FAILURE, "DatabaseAuthenticationError"),
    "a secret of another form": (lambda _: aws("secretsmanager").put_secret_value(SecretId="login", SecretString="x"), "secret", State.FAILURE, "expected a JSON object with username and password"),
    "a root that nobody knows": (lambda _: aws("secretsmanager").put_secret_value(SecretId="root", SecretString="x"), "secret", State.FAILURE, "root"),
    "a port where nothing is": (lambda s: env(s, "POSTGRES_PORT", "1"), "reachability", State.FAILURE, "DatabaseConnectionError"),
    "a root that did not sign": (lambda s: env(s, "POSTGRES_TLS_ROOT_SECRET_ARN", ""), "TLS", State.FAILURE, "DatabaseCertificateError"),
    "a database that is not there": (lambda s: env(s, "POSTGRES_DATABASE", "nowhere"), "warehouse", State.FAILURE, "nowhere"),
    "a table of another type": (lambda s: schema(s, "CREATE TABLE warehouse.audit (audit_id integer PRIMARY KEY); ALTER TABLE warehouse.audit OWNER TO pipeline"), "table audit", State.FAILURE, "expected the type text, found integer"),
    "a table of another owner": (lambda s: schema(s, "CREATE TABLE warehouse.audit (audit_id text PRIMARY KEY)"), "table audit", State.FAILURE, "expected the owner pipeline"),
    "a bucket that forgets too soon": (lambda _: keep({"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 7}}), "retention", State.WARNING, "keeps chunks for 7 days"),
    "a bucket that is gone": (lambda s: s.outputs.update(StagingBucketName="gone"), "retention", State.FAILURE, "the bucket gone does not exist"),
    "a paused schedule": (pause, "schedule", State.WARNING, "paused: no run starts automatically"),
    "starts that were lost": (lambda s: aws("sqs").send_message(QueueUrl=s.outputs["ScheduleDeadLettersUrl"], MessageBody="{}"), "schedule", State.WARNING, "1 scheduled runs could not be started"),
    "alarms for nobody": (lambda s: s.outputs.update(AlarmTopicArn=aws("sns").create_topic(Name="quiet")["TopicArn"]), "alarms", State.WARNING, "so failed runs are not reported"),
    "an unconfirmed subscription": (subscribe_by_mail, "alarms", State.WARNING, "not confirmed: on-call@example.com"),
    "an invalid definition": (lambda s: s.validation.diagnostics.append({"severity": "ERROR", "code": "MISSING_TRANSITION_TARGET", "message": "Missing 'Next'"}), "definition", State.FAILURE, "MISSING_TRANSITION_TARGET"),
    "an invalid policy": (lambda s: s.validation.findings.append({"findingType": "ERROR", "issueCode": "INVALID_ACTION", "findingDetails": "no such action"}), "policies", State.FAILURE, "inline: INVALID_ACTION"),
    "a stack without the function": (lambda s: s.outputs.pop("ChangeWarehouseName"), "warehouse", State.FAILURE, "has no output ChangeWarehouseName"),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_broken_is_named_with_what_to_do(broken: str, setup: SetUp) -> None:
    act, subject, state, message = BROKEN[broken]
    act(setup)
    problems = [finding for finding in setup.findings() if finding.state is not State.OK]
    named = [finding for finding in problems if (finding.subject, finding.state) == (subject, state)]
    assert [finding for finding in named if message in finding.message and finding.action], problems


@pytest.mark.parametrize("broken", ["a wrong password", "a secret of another form", "a root that nobody knows"])
def test_a_diagnosis_goes_through_no_cache(broken: str, setup: SetUp) -> None:
    assert {finding.state for finding in setup.findings()} == {State.OK}  # the function has read its secrets now
    BROKEN[broken][0](setup)
    subject, state = BROKEN[broken][1:3]
    assert (subject, state) in [(finding.subject, finding.state) for finding in setup.findings()]


def test_a_subscription_that_has_lapsed_is_made_again_by_hand_since_no_deployment_does_it(setup: SetUp) -> None:
    topic = setup.outputs["AlarmTopicArn"] = aws("sns").create_topic(Name="quiet")["TopicArn"]
    setup.parameters["AlarmEmail"] = "on-call@example.com"
    (action,) = [finding.action for finding in setup.findings() if finding.subject == "alarms"]
    arguments = f"--topic-arn {topic} --protocol email --notification-endpoint on-call@example.com"
    assert action == f"aws sns subscribe {arguments}"


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnknownOperationException"])
def test_what_may_not_be_asked_or_nobody_answers_is_skipped(code: str, setup: SetUp) -> None:
    setup.validation.refusal = code
    found = {finding.subject: finding.state for finding in setup.findings() if finding.state is not State.OK}
    assert found == {"definition": State.SKIPPED, "policies": State.SKIPPED}


def test_without_a_stack_nothing_else_is_asked(setup: SetUp) -> None:
    def nowhere() -> Stack:
        raise ClientError({"Error": {"Code": "ValidationError", "Message": "no stack"}}, "DescribeStacks")

    findings = list(examine(setup.client, nowhere, through_function, lambda: setup.config))
    assert [(finding.subject, finding.state) for finding in findings] == [
        ("credentials", State.OK),
        ("stack", State.FAILURE),
    ]


def test_it_calls_what_its_line_of_permissions_names(setup: SetUp) -> None:
    use_another_account(setup)
    encrypt_secret(setup, new_key())
    setup.findings()
    faked = {
        *("cloudformation:DescribeStacks", "cloudformation:ListStackResources", "cloudformation:GetTemplateSummary"),
        "lambda:InvokeFunction",
        *("lambda:GetAccountSettings", "states:DescribeStateMachine", "states:ValidateStateMachineDefinition"),
        *("access-analyzer:ValidatePolicy", "iam:GetPolicy", "iam:GetPolicyVersion"),
    }
    # S3's action has another name than its call.
    named = {call.replace("s3:GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration") for call in setup.calls}
    assert named | faked == {entry.action for entry in COMMANDS["doctor"]}


def test_a_terminal_shows_findings_without_a_break_within_a_word(
    demand: Demand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "40")
    found = Finding("table", State.WARNING, "word " * 20, "word " * 20)
    monkeypatch.setattr("demand.cli.doctor.examine", lambda *_: [found])
    lines = re.sub(r"\x1b\[[\d;]*m", "", demand("doctor").out).splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(lines).count("word") == 40
