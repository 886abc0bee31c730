"""The rights that docs/deployer-policy.json and docs/boundary-policy.json give, by IAM's own rules."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.support.sam import transformed
from tests.template.iam import Context, allows
from tests.template.loaded import PARAMETERS, ROOT, TEMPLATE, listed, resources, statements
from tests.template.test_template_docs import ACTIONS, DEPLOY, DEPLOYER

BOUNDARY = json.loads((ROOT / "docs" / "boundary-policy.json").read_text(encoding="utf-8"))
ACCOUNT = "222222222222"
STAGING = "demand-pipeline-staging"
OTHER = "demand-pipeline-prod"
TAG = "aws:ResourceTag/aws:cloudformation:stack-name"
PASSED = ["lambda.amazonaws.com", "scheduler.amazonaws.com", "states.amazonaws.com"]
# The names that docs/deploy.md gives to the deployer's own role and policy, and to the boundary.
OWN = sorted(set(re.findall(r"aws iam create-(?:role|policy) --(role|policy)-name (\S+)", DEPLOY)))
LIMIT = f"arn:aws:iam::{ACCOUNT}:policy/boundary-of-{STAGING}"


def context(**keys: str) -> dict[str, list[str]]:
    """A request of CloudFormation on behalf of the deployer, with whatever else it may set."""
    given = {"iam:PermissionsBoundary": [LIMIT], "iam:PassedToService": PASSED}
    return {"aws:CalledVia": ["cloudformation.amazonaws.com"], **given, **{key: [value] for key, value in keys.items()}}


def allowed_on(arn: str, way: Context) -> set[str]:
    """The actions that the deployer may perform on a resource, out of all actions of AWS on its kind."""
    service = arn.split(":")[2]
    kinds = {"object"} if service == "s3" and "/" in arn else {"bucket"} if service == "s3" else None
    return {
        action
        for action, wanted in ACTIONS.items()
        if action.startswith(f"{service}:") and (kinds is None or kinds & set(wanted)) and wanted
        if allows(DEPLOYER, action, arn, way)
    }


def test_the_documented_names_are_those_that_the_policies_name() -> None:
    names = [("policy", "boundary"), ("policy", "deployer"), ("role", "deployer")]
    assert [(kind, f"{name}-of-{STAGING}") for kind, name in names] == OWN
    assert f"PermissionsBoundary={LIMIT}" in DEPLOY


@pytest.mark.parametrize(("kind", "name"), OWN)
def test_the_deployer_may_do_nothing_with_its_own_role_and_policy_and_the_boundary(kind: str, name: str) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:{kind}/{name}"
    assert allowed_on(arn, context()) == set()


@pytest.mark.parametrize("action", ["CreateRole", "PutRolePolicy", "AttachRolePolicy", "PutRolePermissionsBoundary"])
def test_the_deployer_may_give_rights_only_to_roles_within_the_boundary(action: str) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/{STAGING}-ScanSegmentRole-AbCdEfGhIjKl"
    bounded = context()
    other = context(**{"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"})
    without = {key: values for key, values in bounded.items() if key != "iam:PermissionsBoundary"}
    assert [allows(DEPLOYER, f"iam:{action}", role, each) for each in (bounded, other, without)] == [True, False, False]
    assert not allows(DEPLOYER, "iam:DeleteRolePermissionsBoundary", role, bounded)


def resources_of(policy: dict[str, Any], stack: str) -> Iterator[str]:
    """An ARN for every pattern of the policy, as another stack of the account would have it."""
    for statement in policy["Statement"]:
        for pattern in listed(statement["Resource"]):
            if STAGING in pattern:
                region = pattern.replace("*", "eu-west-1", 1) if pattern.split(":")[3] == "*" else pattern
                yield region.replace(STAGING, stack).replace("*", "x")


@pytest.mark.parametrize("stack", [OTHER, f"{STAGING}2"])
def test_a_policy_of_staging_covers_nothing_of_another_stack(stack: str) -> None:
    arns = [*resources_of(DEPLOYER, stack), *resources_of(BOUNDARY, stack)]
    assert len(arns) > 20
    for arn in arns:
        for way in (context(), context(**{TAG: stack})):
            assert allowed_on(arn, way) == set(), arn


def test_the_names_of_the_roles_begin_with_the_stacks_whole_name() -> None:
    """CloudFormation: stack, logical id and 12 characters, up to 64 together; it shortens the stack's name."""
    (most,) = map(int, re.findall(r"An environment's name has at most (\d+) characters", DEPLOY))
    longest = max(map(len, resources("AWS::IAM::Role")))
    assert len(f"demand-pipeline-{'e' * most}-{'r' * longest}-{'x' * 12}") < 64


def test_a_key_of_another_stack_is_out_of_reach_and_one_of_no_stack_cannot_be_taken_over() -> None:
    key = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"

    of_none, own, other = (allowed_on(key, context(**tags)) for tags in ({}, {TAG: STAGING}, {TAG: OTHER}))
    assert other == set()
    assert {"kms:putkeypolicy", "kms:schedulekeydeletion", "kms:disablekey"}.isdisjoint(of_none)
    assert {"kms:tagresource", "kms:enablekeyrotation"} <= of_none < own


def test_every_role_has_the_boundary_also_one_that_sam_would_generate() -> None:
    wanted = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}
    deployed = transformed(TEMPLATE)["Resources"].items()
    roles = {name: resource["Properties"] for name, resource in deployed if resource["Type"] == "AWS::IAM::Role"}
    assert set(roles) >= set(resources("AWS::IAM::Role"))
    assert [name for name, properties in roles.items() if properties.get("PermissionsBoundary") != wanted] == []
    assert PARAMETERS["PermissionsBoundary"]["Default"] == ""


# The resources of the stack's statements as they are deployed, by what the template calls them.
DEPLOYED = {
    "DemandPipeline": f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:{STAGING}-1234567db123",
    "RepairRun": f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:{STAGING}-repair-1234567db123",
    "AlarmTopic": f"arn:aws:sns:eu-west-1:{ACCOUNT}:{STAGING}-AlarmTopic-x",
    "AlarmKey.Arn": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/3",
    "DemandPipeline.Name": f"{STAGING}-1234567db123",
    "ScheduleDeadLetters.Arn": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{STAGING}-ScheduleDeadLetters-x",
    "StagingBucket.Arn": f"arn:aws:s3:::{STAGING}-stagingbucket-x",
    "PostgresSecretArn": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:demand-pipeline/staging-AbCdEf",
    "PostgresTlsRootSecretArn": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:demand-pipeline/staging-ca-AbCdEf",
    "KmsKeyArns": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1",
    "StagingKmsKeyArn": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/2",
    "AWS::Region": "eu-west-1",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": STAGING,
    "Account": ACCOUNT,
    "AWS::AccountId": ACCOUNT,
    "Environment": "staging",
    "Id": "1234567db123",
}


def rendered(value: Any) -> str:
    """A resource or a value of a statement as it is deployed."""
    if isinstance(value, dict):
        ((function, argument),) = value.items()
        if function == "Fn::GetAtt" and ".".join(listed(argument)) not in DEPLOYED:
            return of_function(argument[0])
        if function in ("Ref", "Fn::GetAtt"):
            return DEPLOYED[".".join(listed(argument))]
        return rendered(
            argument[0]
            if function == "Fn::Sub" and isinstance(argument, list)
            else argument[1]
            if function in ("Fn::If", "Fn::Split")
            else argument
        )
    return re.sub(r"\$\{([\w:.]+)\}", lambda found: DEPLOYED.get(found[1], found[1]), str(value))


def of_function(name: str) -> str:
    """The ARN of a function, or of its log group."""
    if name.endswith("Logs"):
        return f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/lambda/{STAGING}/{name.removesuffix('Logs')}:*"
    return f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:{STAGING}-{name}-x"


def test_the_boundary_allows_whatever_the_template_gives_its_roles() -> None:
    for role, statement in statements():
        via = {
            key: [rendered(value)] for keys in statement.get("Condition", {}).values() for key, value in keys.items()
        }
        for action in listed(statement["Action"]):
            for resource in map(rendered, listed(statement["Resource"])):
                assert allows(BOUNDARY, action, resource, via), (role, action, resource)


def test_the_deployer_may_create_what_the_template_names_itself() -> None:
    groups = [rendered(group["LogGroupName"]) for group in resources("AWS::Logs::LogGroup").values()]
    machines = [rendered(machine["Name"]) for machine in resources("AWS::Serverless::StateMachine").values()]
    created = [("logs:CreateLogGroup", f"logs:eu-west-1:{ACCOUNT}:log-group:{name}") for name in groups]
    created += [(action, f"{arn}:*") for action, arn in created]
    created += [("states:CreateStateMachine", f"states:eu-west-1:{ACCOUNT}:stateMachine:{name}") for name in machines]
    assert [arn for action, arn in created if not allows(DEPLOYER, action, f"arn:aws:{arn}", context())] == []


def test_the_boundary_gives_no_right_over_rights() -> None:
    allowed = {
        action
        for action in ACTIONS
        for statement in BOUNDARY["Statement"]
        if any(fnmatchcase(action, pattern.lower()) for pattern in listed(statement["Action"]))
    }
    assert {action.partition(":")[0] for action in allowed}.isdisjoint({"iam", "sts", "organizations"})
    # Log delivery needs it; its resource is the account's log groups.
    assert {action for action in allowed if "policy" in action} == {"logs:putresourcepolicy"}
