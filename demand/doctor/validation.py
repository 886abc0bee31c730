"""Checks of the deployed state machine and policies by AWS's own validators."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from demand.doctor.finding import failure, ok, warning
from demand.stack import Stack
from demand_pipeline.contracts.operating.check import Finding

_MOST = 100  # diagnostics: Step Functions returns at most this many


def definition(stack: Stack) -> Iterator[Finding]:
    """Validate the deployed definition with Step Functions."""
    states = stack.client("stepfunctions")
    deployed = states.describe_state_machine(stateMachineArn=stack.state_machine)["definition"]
    answer = states.validate_state_machine_definition(definition=deployed, type="STANDARD", maxResults=_MOST)
    for found in answer["diagnostics"]:
        place = f" at {found['location']}" if found.get("location") else ""
        make = failure if found["severity"] == "ERROR" else warning
        yield make("definition", f"{found['code']}: {found['message']}{place}", "deploy a checkout of this version")
    if answer["result"] == "OK":
        yield ok("definition", "Step Functions finds the definition valid")


def policies(stack: Stack) -> Iterator[Finding]:
    """Validate the policies of the stack's roles with IAM Access Analyzer: errors and security warnings."""
    analyzer = stack.client("accessanalyzer")
    documents = list(_documents(stack))
    problems = 0
    for name, document in documents:
        pages = analyzer.get_paginator("validate_policy").paginate(
            policyDocument=json.dumps(document), policyType="IDENTITY_POLICY"
        )
        for found in [finding for page in pages for finding in page["findings"]]:
            if found["findingType"] in ("ERROR", "SECURITY_WARNING"):
                problems += 1
                make = failure if found["findingType"] == "ERROR" else warning
                message = f"{name}: {found['issueCode']}: {found['findingDetails']}"
                yield make("policies", message, found.get("learnMoreLink", "see the message"))
    if not problems:
        yield ok("policies", f"IAM Access Analyzer finds {len(documents)} policies valid")


def _documents(stack: Stack) -> Iterator[tuple[str, Any]]:
    """Yield the inline policies of the stack's roles and its managed policies, by their names."""
    iam = stack.client("iam")
    for role in stack.resources("AWS::IAM::Role"):
        for name in iam.list_role_policies(RoleName=role.physical_id)["PolicyNames"]:
            yield name, _document(iam.get_role_policy(RoleName=role.physical_id, PolicyName=name)["PolicyDocument"])
    for policy in stack.resources("AWS::IAM::ManagedPolicy"):
        version = iam.get_policy(PolicyArn=policy.physical_id)["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=policy.physical_id, VersionId=version)["PolicyVersion"]
        yield policy.logical_id, _document(found["Document"])


def _document(found: Any) -> Any:
    """Decode a policy if boto3 has not: IAM sends it as encoded text."""
    return json.loads(unquote(found)) if isinstance(found, str) else found
