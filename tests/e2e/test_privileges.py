"""Least privilege, proved on the deployed stack: the emulator holds every function to its role, as AWS does."""

import copy
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from local import seed
from local.emulator.emulator import ACCOUNT
from tests.e2e.conftest import Client, Refresh
from tests.support.aws import dynamodb_json

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.usefixtures("empty_tables")]

FIRST, *_, LAST = TABLES
SOURCES = [table.source for table in TABLES.values()]
TRANSFORMS = {f"Transform{camel_case(table)}": table for table in TABLES}
OF_FIRST, OF_LAST = f"Transform{camel_case(FIRST)}", f"Transform{camel_case(LAST)}"
FUNCTIONS = ("ScanSegment", *TRANSFORMS, "CopyChunk", "LoadWarehouse", "ReadWarehouse", "ChangeWarehouse")
EVENTS = Path(__file__).parents[2] / "events"
RUN = "runs/2026-11-23/run"
KEYS = {
    **{
        f"{kind}/{table}": f"{RUN}/{kind}/{table}/0/0-00000000.json.gz"
        for kind in ("raw", "staged", "rejects", "drift")
        for table in TABLES
    },
    "exports": f"exports/run/{FIRST}.csv.gz",
    "elsewhere": f"elsewhere/{FIRST}.csv.gz",
}
# A function of our own under another function's role: makes calls and says how each was answered.
PROBE = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    answers = {}
    for name, (service, call, arguments) in event.items():
        try:
            getattr(boto3.client(service), call)(**arguments)
            answers[name] = "allowed"
        except ClientError as error:
            answers[name] = error.response["Error"]["Code"]
    return answers
"""

type Calls = dict[str, tuple[str, str, dict[str, Any]]]


@pytest.fixture
def physical(client: Client) -> Mapping[str, str]:
    """Names of the deployed resources, by logical id."""
    described = client("cloudformation").describe_stack_resources(StackName="demand-pipeline-local")
    return {entry["LogicalResourceId"]: entry["PhysicalResourceId"] for entry in described["StackResources"]}


@pytest.fixture
def neighbour(client: Client) -> Iterator[Mapping[str, str]]:
    """Resources of another stack in the account: a bucket, a table, a secret and a log group."""
    s3, dynamodb, secrets, logs = (client(name) for name in ("s3", "dynamodb", "secretsmanager", "logs"))
    s3.create_bucket(Bucket="neighbour", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    dynamodb.create_table(
        TableName="neighbour",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "documentId", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "documentId", "KeyType": "HASH"}],
    )
    secret = secrets.create_secret(Name="neighbour", SecretString="theirs")["ARN"]
    logs.create_log_group(logGroupName="neighbour")
    logs.create_log_stream(logGroupName="neighbour", logStreamName="neighbour")
    yield {"bucket": "neighbour", "table": "neighbour", "secret": secret}
    logs.delete_log_group(logGroupName="neighbour")
    secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    dynamodb.delete_table(TableName="neighbour")
    s3.delete_bucket(Bucket="neighbour")


@pytest.fixture
def calls(
    client: Client, exported: Mapping[str, str], physical: Mapping[str, str], neighbour: Mapping[str, str]
) -> Calls:
    """Every call that is tried under every role, by what it does to what."""
    bucket = exported["STAGING_BUCKET"]
    calls: Calls = {}
    s3 = client("s3")
    for name, key in KEYS.items():
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
        calls |= _on_object(name, bucket, key)
    calls |= _on_object("neighbour", neighbour["bucket"], "runs/x")
    for prefix in ("runs/", "exports/"):
        calls[f"list {prefix}"] = ("s3", "list_objects_v2", {"Bucket": bucket, "Prefix": prefix})
    calls["list neighbour"] = ("s3", "list_objects_v2", {"Bucket": neighbour["bucket"]})
    calls["change the bucket"] = ("s3", "delete_bucket_policy", {"Bucket": bucket})
    for table in TABLES.values():
        calls |= _on_table(table.source, exported[seed.variable_name(table)], seed.key_item(table, 1))
    calls |= _on_table("neighbour", neighbour["table"], {"documentId": {"S": "x"}})
    for name, secret in _secrets(client("secretsmanager")).items():
        calls[f"read secret {name}"] = ("secretsmanager", "get_secret_value", {"SecretId": secret})
        calls[f"write secret {name}"] = (
            "secretsmanager",
            "put_secret_value",
            {"SecretId": secret, "SecretString": "x"},
        )
    calls["list secrets"] = ("secretsmanager", "list_secrets", {})
    for name in FUNCTIONS:
        calls[f"invoke {name}"] = ("lambda", "invoke", {"FunctionName": physical[name]})
    machine = exported["STATE_MACHINE_ARN"]
    calls["start a run"] = ("stepfunctions", "start_execution", {"stateMachineArn": machine, "name": "probe"})
    calls["widen a role"] = (
        "iam",
        "put_role_policy",
        {"RoleName": physical["ScanSegmentRole"], "PolicyName": "more", "PolicyDocument": "{}"},
    )
    role = f"arn:aws:iam::{ACCOUNT}:role/{physical['LoadWarehouseRole']}"
    calls["become another role"] = ("sts", "assume_role", {"RoleArn": role, "RoleSessionName": "probe"})
    stream = {"logGroupName": "neighbour", "logStreamName": "neighbour"}
    event = {"timestamp": 1795392000000, "message": "forged"}
    calls["write neighbour's log"] = ("logs", "put_log_events", {**stream, "logEvents": [event]})
    return calls


def _on_object(name: str, bucket: str, key: str) -> Calls:
    place = {"Bucket": bucket, "Key": key}
    return {
        f"get {name}": ("s3", "get_object", place),
        f"put {name}": ("s3", "put_object", {**place, "Body": ""}),
        f"delete {name}": ("s3", "delete_object", place),
    }


def _on_table(source: str, name: str, key: Mapping[str, Any]) -> Calls:
    table = {"TableName": name}
    put = {"PutRequest": {"Item": key}}
    statement = f'DELETE FROM "{name}" WHERE {" AND ".join(f"{attribute} = ?" for attribute in key)}'  # noqa: S608
    return {
        f"scan {source}": ("dynamodb", "scan", table),
        f"get item of {source}": ("dynamodb", "get_item", {**table, "Key": key}),
        f"describe {source}": ("dynamodb", "describe_table", table),
        f"put item into {source}": ("dynamodb", "put_item", {**table, "Item": key}),
        f"put batch into {source}": ("dynamodb", "batch_write_item", {"RequestItems": {name: [put]}}),
        f"update item of {source}": ("dynamodb", "update_item", {**table, "Key": key}),
        f"delete item of {source}": ("dynamodb", "delete_item", {**table, "Key": key}),
        f"delete by statement from {source}": (
            "dynamodb",
            "execute_statement",
            {"Statement": statement, "Parameters": list(key.values())},
        ),
        f"change {source}": ("dynamodb", "update_table", {**table, "DeletionProtectionEnabled": False}),
        f"drop {source}": ("dynamodb", "delete_table", table),
    }


def _secrets(manager: Any) -> dict[str, str]:
    return {secret["Name"]: secret["ARN"] for secret in manager.list_secrets()["SecretList"]}


def allowed_to(function: str) -> set[str]:
    """Return all that a function must be allowed of what is tried."""
    if function == "ScanSegment":
        return {f"scan {source}" for source in SOURCES} | {f"put raw/{table}" for table in TABLES}
    secrets = {"read secret warehouse-login", "read secret warehouse-ca"}
    if function in ("ReadWarehouse", "ChangeWarehouse"):
        return secrets
    if function in ("CopyChunk", "LoadWarehouse"):
        read = {f"get {kind}/{table}" for kind in ("staged", "rejects", "drift") for table in TABLES}
        return {*read, *secrets, *(["put exports"] if function == "LoadWarehouse" else []), "list runs/"}
    table = TRANSFORMS[function]
    return {f"get raw/{table}", *(f"put {kind}/{table}" for kind in ("staged", "rejects", "drift")), "list runs/"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_allows_what_its_function_needs_and_denies_all_else(
    function: str, calls: Calls, client: Client, physical: Mapping[str, str]
) -> None:
    functions = client("lambda")
    role = functions.get_function_configuration(FunctionName=physical[function])["Role"]
    assert role.endswith(f"/{physical[f'{function}Role']}")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("probe.py", PROBE)
    functions.create_function(
        FunctionName="probe",
        Runtime="python3.13",
        Handler="probe.handler",
        Role=role,
        Code={"ZipFile": code.getvalue()},
        Timeout=60,
    )
    try:
        answer = functions.invoke(FunctionName="probe", Payload=json.dumps(calls, default=dynamodb_json))
        answers = json.loads(answer["Payload"].read())
    finally:
        functions.delete_function(FunctionName="probe")
    assert answers.keys() == calls.keys(), answers
    assert {name for name, code in answers.items() if code == "allowed"} == allowed_to(function)
    # Refused for want of a right, not for some mistake in the call.
    others = {name: code for name, code in answers.items() if code != "allowed"}
    assert {name: code for name, code in others.items() if not code.startswith("AccessDenied")} == {}


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize("function", ["ScanSegment", OF_FIRST, "LoadWarehouse"])
def test_a_function_that_is_sent_to_a_neighbours_data_is_denied_it(
    function: str, client: Client, exported: Mapping[str, str], physical: Mapping[str, str]
) -> None:
    s3 = client("s3")
    for key in KEYS.values():
        s3.put_object(Bucket=exported["STAGING_BUCKET"], Key=key, Body=gzip.compress(b""))
    event = json.dumps(sent_to_neighbour(function))
    answer = client("lambda").invoke(FunctionName=physical[function], Payload=event)
    cause = json.loads(answer["Payload"].read())
    assert answer.get("FunctionError"), cause
    assert "AccessDenied" in cause["errorType"] + cause["errorMessage"]


def sent_to_neighbour(function: str) -> Any:
    """Return a sample event of the function with a neighbour's table, or another function's chunk, in it."""
    if function == "ScanSegment":
        return _event("scan_segment") | {"source": f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/neighbour"}
    if function == OF_FIRST:
        event = _event(f"transform_{FIRST}")
        return event | {"raw": event["raw"] | {"key": KEYS[f"raw/{LAST}"]}}
    event = _event("load_warehouse")
    for table in event["tables"]:
        for segment in table["segments"]:
            segment["chunks"] = [chunk | {"key": KEYS[f"raw/{table['table']}"]} for chunk in segment["chunks"]]
    return event | {"force": True}  # other tests may have committed newer runs


def _event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


@pytest.fixture
def run(refresh: Refresh) -> Callable[[], dict[str, Any]]:
    """Run a table with everything that a run can do; returns its description."""
    return lambda: refresh({"tables": [LAST], "saveCsv": True})


# Not the secret, which a function that is warm has in its cache.
@pytest.mark.slow
@pytest.mark.parametrize(
    "denied",
    [
        ("DemandPipelineRole", "dynamodb:DescribeTable", "DynamoDb.DynamoDbException"),
        ("ScanSegmentRole", "dynamodb:Scan", "ClientError"),
        ("ScanSegmentRole", "s3:PutObject", "AccessDenied"),
        (f"{OF_LAST}Role", "s3:GetObject", "AccessDenied"),
        (f"{OF_LAST}Role", "s3:PutObject", "AccessDenied"),
        ("CopyChunkRole", "s3:GetObject", "AccessDenied"),
        ("LoadWarehouseRole", "s3:PutObject", "AccessDenied"),
    ],
)
def test_a_run_needs_every_right_that_it_uses(
    denied: tuple[str, str, str],
    client: Client,
    exported: Mapping[str, str],
    physical: Mapping[str, str],
    run: Callable[[], dict[str, Any]],
) -> None:
    role, action, error = denied
    table = TABLES[LAST]
    client("dynamodb").put_item(TableName=exported[seed.variable_name(table)], Item=seed.key_item(table, 1))
    policy = {"RoleName": physical[role], "PolicyName": role.removesuffix("Role")}
    iam = client("iam")
    document = iam.get_role_policy(**policy)["PolicyDocument"]
    try:
        iam.put_role_policy(**policy, PolicyDocument=json.dumps(without(action, document)))
        failed = run()
    finally:
        iam.put_role_policy(**policy, PolicyDocument=json.dumps(document))
    assert (failed["status"], failed.get("error")) == ("FAILED", error)
    assert run()["status"] == "SUCCEEDED"


def without(action: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy that no longer allows an action."""
    less = copy.deepcopy(dict(document))
    for statement in less["Statement"]:
        listed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [name for name in listed if name != action]
    less["Statement"] = [statement for statement in less["Statement"] if statement["Action"]]
    assert less != document
    return less
