"""The statements of docs/deploy.md are true: names, commands and policies."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from tests.template.loaded import CONNECTED, FUNCTIONS, PARAMETERS, ROOT, TEMPLATE, listed, resources, statements

DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEPLOYER = json.loads((ROOT / "docs" / "deployer-policy.json").read_text(encoding="utf-8"))
SNIPPETS = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", DEPLOY, re.DOTALL)]
BUNDLE = ROOT / "layers" / "shared" / "demand_pipeline" / "postgres" / "certificates" / "rds-global-bundle.pem"
# Every action of AWS with the resources that it can be allowed for, in lower case.
ACTIONS: dict[str, list[str]] = {
    f"{service}:{action}": details.get("Resources", [])
    for service, known in load_resource(AdditionalSpecs, "Policies.json").items()
    for action, details in known["Actions"].items()
}
SAM = {
    "Function": "Lambda::Function",
    "LayerVersion": "Lambda::LayerVersion",
    "StateMachine": "StepFunctions::StateMachine",
}
# What CloudFormation asks for only where a property is set that the template does not set.
UNUSED = {
    "AWS::IAM::ManagedPolicy": ["iam:*GroupPolicy", "iam:*UserPolicy"],
    # A role that has lost its boundary could do anything.
    "AWS::IAM::Role": ["iam:DeleteRolePermissionsBoundary"],
    "AWS::Lambda::Function": ["elasticfilesystem:*", "kms:*", "s3files:*"],
    "AWS::Logs::LogGroup": [
        "firehose:*",
        "logs:CreateLogDelivery",
        "logs:*IndexPolic*",
        "logs:*ResourcePolic*",
        "s3:*",
    ],
    "AWS::S3::Bucket": ["s3:DeleteObject", "s3:PutObjectAcl", "s3:UpdateBucketMetadata*", "s3tables:*"],
    "AWS::StepFunctions::StateMachine": ["kms:*"],
}


def test_every_parameter_and_output_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", DEPLOY + README))
    assert [name for name in [*PARAMETERS, *TEMPLATE["Outputs"]] if name not in explained] == []


def test_the_parameters_that_need_a_new_run_are_those_of_the_definition() -> None:
    substitutions = json.dumps(resources("AWS::Serverless::StateMachine")["DemandPipeline"]["DefinitionSubstitutions"])
    (row,) = re.findall(r"^\| (.*?) \|.*\*\*new run\*\*", DEPLOY, re.MULTILINE)
    given = [name for name in PARAMETERS if f'"{name}"' in substitutions or f"${{{name}}}" in substitutions]
    sources = [f"{camel_case(table.source)}Table" for table in TABLES.values()]
    assert set(re.findall(r"`([\w…]+)`", row)) == {"…Table", *given} - set(sources)


def test_every_parameter_stands_in_one_row_of_when_it_takes_effect() -> None:
    table = DEPLOY.partition("| parameters | take effect |")[2].partition("\n\n")[0]
    listed_names = [name for row in table.splitlines()[2:] for name in re.findall(r"`([\w…]+)`", row.split("|")[1])]
    sources = [f"{camel_case(table.source)}Table" for table in TABLES.values()]
    assert sorted(listed_names) == sorted({"…Table", *PARAMETERS} - set(sources))


def test_the_functions_that_are_said_to_be_in_the_vpc_are() -> None:
    (sentence,) = re.findall(r"^The functions (.*?) connect to PostgreSQL", DEPLOY, re.MULTILINE)
    inside = {name for name, function in FUNCTIONS.items() if "VpcConfig" in function}
    assert set(re.findall(r"`(\w+)`", sentence)) == inside == set(CONNECTED)


def test_every_connection_of_the_documentation_verifies_the_server() -> None:
    texts = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".sql")
    )
    assert set(re.findall(r"sslmode=(\S+)", texts, re.IGNORECASE)) == {"verify-full"}
    assert re.findall(r"PGSSLROOTCERT=\"\$PWD/(.*?)\"", DEPLOY) == [str(BUNDLE.relative_to(ROOT))]
    assert BUNDLE.exists()


def test_every_value_that_is_given_is_a_parameters() -> None:
    settings = "".join(re.findall(r"```toml\n.*?```|`\w+=\w+`", DEPLOY + README, re.DOTALL))
    given = set(re.findall(r"[`\"](\w+)=", settings))
    assert "ScheduleState" in given
    assert given <= set(PARAMETERS)


def snippets() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every policy in the documentation."""
    for policy in [DEPLOYER, *SNIPPETS]:
        yield from (
            (statement.get("Sid", "inline"), statement)
            for statement in policy.get("Statement", [policy])
            if "Effect" in statement
        )


def test_every_action_exists_and_is_allowed_for_what_it_can_be_allowed_for() -> None:
    for sid, statement in snippets():
        for action in listed(statement["Action"]):
            found = [name for name in ACTIONS if fnmatchcase(name, action.lower())]
            assert found, (sid, action)
            if "Resource" in statement and statement["Resource"] != "*":
                assert any(ACTIONS[name] for name in found), (sid, action)


@pytest.mark.parametrize("role", ["ScanSegmentRole", "DemandPipelineRole"])
def test_another_accounts_table_allows_what_the_roles_do_with_tables(role: str) -> None:
    asked = {a for name, s in statements() if name == role for a in listed(s["Action"]) if a.startswith("dynamodb:")}
    (table,) = (policy for policy in SNIPPETS if "dynamodb:Scan" in json.dumps(policy))
    given = {a for s in table["Statement"] if f"-{role}-" in s["Principal"]["AWS"] for a in listed(s["Action"])}
    assert given == asked


def used_types() -> list[str]:
    kinds = {resource["Type"] for resource in TEMPLATE["Resources"].values()}
    return sorted(f"AWS::{SAM[kind.rpartition(':')[2]]}" if "Serverless" in kind else kind for kind in kinds)


@pytest.mark.parametrize("kind", used_types())
def test_the_deployer_may_create_update_and_delete_every_resource(kind: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    handlers = [handler for verb, handler in schema["handlers"].items() if verb != "list"]
    # CloudFormation tags whatever can have tags, with the stack's own tags and its name.
    needed = {action for each in [*handlers, schema.get("tagging", {})] for action in each.get("permissions", ())}
    missing = {
        action for action in needed if not may(action) and not any(fnmatchcase(action, p) for p in UNUSED.get(kind, []))
    }
    assert missing == set()


def may(action: str) -> bool:
    """Whether the deployer's policy allows the action, for all resources where AWS knows none to name."""
    return any(
        fnmatchcase(action.lower(), pattern.lower())
        and (statement["Resource"] == "*" or ACTIONS.get(action.lower(), [action]))
        for statement in DEPLOYER["Statement"]
        for pattern in listed(statement["Action"])
    )


def test_the_deployer_may_run_what_helps_after_a_deployment_that_failed_or_a_change_by_hand() -> None:
    text = DEPLOY.partition("## A deployment that failed")[2].partition("## Remove")[0]
    commands = re.findall(r"aws (cloudformation|kms) ((?!wait)[a-z-]+)", text)
    assert len(commands) > 5
    assert [command for command in commands if not may(f"{command[0]}:{command[1].replace('-', '')}")] == []


def test_the_deployer_may_pass_the_roles_to_the_services_that_use_them() -> None:
    roles = resources("AWS::IAM::Role").values()
    trusted = {s["Principal"]["Service"] for role in roles for s in role["AssumeRolePolicyDocument"]["Statement"]}
    (passing,) = [s for s in DEPLOYER["Statement"] if "iam:PassRole" in listed(s["Action"])]
    assert set(passing["Condition"]["StringEquals"]["iam:PassedToService"]) == trusted


@pytest.mark.parametrize(
    "action",
    [
        "cloudformation:DescribeStacks",
        "cloudformation:ListStackResources",
        "scheduler:GetSchedule",
        "scheduler:UpdateSchedule",
        "states:ListExecutions",
    ],
)
def test_the_deployer_may_wait_for_runs_itself_not_only_through_cloudformation(action: str) -> None:
    own = [s for s in DEPLOYER["Statement"] if action in listed(s["Action"]) and "Condition" not in s]
    assert own != []


def test_the_deployers_policy_fits_into_one() -> None:
    # IAM: a managed policy has at most 6,144 characters, white space not counted.
    assert len(json.dumps(DEPLOYER, separators=(",", ":"))) <= 6144
