"""Checks of the source tables: existence, declared key, read permissions of the run's roles, read capacity."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from demand.doctor.finding import failure, made, ok, warning
from demand.doctor.keys import key_finding
from demand.errors import error_code
from demand.stack import Stack
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.operating.check import Finding
from demand_pipeline.tables import Table, camel_case

# The action of each role of a run on a table, by the output that contains the role.
_ROLES = {"ScanSegmentRoleArn": "dynamodb:Scan", "DemandPipelineRoleArn": "dynamodb:DescribeTable"}


def source_tables(stack: Stack) -> Iterator[Finding]:
    """Check every source table."""
    for table in TABLES.values():
        yield from made(f"source table {table.source}", lambda table=table: _source_table(stack, table))  # type: ignore[misc]


def table_name(stack: Stack, table: Table) -> str:
    """Return a source table's name for the DynamoDB API: an ARN if it belongs to another account."""
    name = stack.parameters[_parameter(table)]
    account = stack.parameters.get("SourceAccountId", "")
    partition = stack.state_machine.split(":")[1]
    return f"arn:{partition}:dynamodb:{stack.region}:{account}:table/{name}" if account else name


def _parameter(table: Table) -> str:
    return f"{camel_case(table.source)}Table"


def _source_table(stack: Stack, table: Table) -> Iterator[Finding]:
    name, subject = table_name(stack, table), f"source table {stack.parameters[_parameter(table)]}"
    try:
        described = stack.client("dynamodb").describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        message = f"no such table in {stack.region}" + (" in that account" if name.startswith("arn:") else "")
        yield failure(subject, message, f"create the table, or correct {_parameter(table)} and SourceAccountId")
        return
    yield _key(subject, table, described)
    yield from _capacity(stack, subject, described)
    encryption = described.get("SSEDescription", {})
    if encryption.get("SSEType") == "KMS":
        yield from made(subject, lambda: key_finding(stack, subject, encryption["KMSMasterKeyArn"], "KmsKeyArns"))
    if stack.parameters.get("SourceAccountId"):
        yield from _policy(stack, subject, described["TableArn"])


def _key(subject: str, table: Table, described: Mapping[str, Any]) -> Finding:
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in described["AttributeDefinitions"]}
    found = {entry["AttributeName"]: types[entry["AttributeName"]] for entry in described["KeySchema"]}
    if described["TableStatus"] not in ("ACTIVE", "UPDATING"):
        return failure(subject, f"is {described['TableStatus']}", "wait until it is ACTIVE")
    if message := table.key_problem(found):
        return failure(subject, message, f"correct {_parameter(table)}, or change the declaration")
    size = f"{described.get('ItemCount', 0):,} items, {described.get('TableSizeBytes', 0):,} bytes"
    return ok(subject, f"{described['TableStatus']}, {size}, as of up to six hours ago")


def _capacity(stack: Stack, subject: str, described: Mapping[str, Any]) -> Iterator[Finding]:
    """DynamoDB: a scan above the table's read capacity is throttled, together with the table's other readers."""
    provisioned = described.get("ProvisionedThroughput", {}).get("ReadCapacityUnits", 0)
    maximum = described.get("OnDemandThroughput", {}).get("MaxReadRequestUnits", -1)
    available = provisioned or max(0, maximum)
    limit = int(stack.parameters.get("MaxReadUnitsPerSecond", "0"))
    if available and (limit == 0 or limit > available):
        scan = "has no limit" if limit == 0 else f"may use {limit}"
        message = f"{available} read units per second, and the scan {scan}: it can slow down the table's other users"
        yield warning(subject, message, f"set MaxReadUnitsPerSecond below {available}")


def _policy(stack: Stack, subject: str, arn: str) -> Iterator[Finding]:
    """The resource policy of another account's table allows the actions of the roles."""
    try:
        answer = stack.client("dynamodb").get_resource_policy(ResourceArn=arn)
    except ClientError as error:
        if error_code(error) != "PolicyNotFoundException":
            raise
        statements = []
    else:
        statements = _listed(json.loads(answer["Policy"])["Statement"])
    for output, action in _ROLES.items():
        role = stack.output(output)
        if any(_allows(statement, role, action) for statement in statements):
            yield ok(subject, f"the resource policy allows {action}")
            continue
        stale = "; it contains a role that no longer exists (AROA…)" if "AROA" in json.dumps(statements) else ""
        message = f"the resource policy does not allow {role} to call {action}{stale}"
        yield failure(subject, message, "write the policy again (docs/deploy.md, Tables of another account)")


def _allows(statement: Mapping[str, Any], role: str, action: str) -> bool:
    principal = statement.get("Principal", {})
    principals = _listed(principal.get("AWS", [])) if isinstance(principal, dict) else [principal]
    allowed = {str(name).lower() for name in _listed(statement.get("Action", []))}
    return (
        statement.get("Effect") == "Allow"
        and any(named in ("*", role) for named in principals)
        and bool(allowed & {action.lower(), "dynamodb:*", "*"})
    )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
