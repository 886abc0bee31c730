"""The template as cfn-lint reads it, short forms spelled out, and ways to look at it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

ROOT = Path(__file__).parents[2]
TEMPLATE: dict[str, Any] = cfn_yaml.load(str(ROOT / "template.yaml"))
PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]
FUNCTION_GLOBALS: dict[str, Any] = TEMPLATE["Globals"]["Function"]


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a type, by logical id."""
    found = TEMPLATE["Resources"].items()
    return {name: resource["Properties"] for name, resource in found if resource["Type"] == kind}


FUNCTIONS = resources("AWS::Serverless::Function")
# Those that connect to PostgreSQL.
CONNECTED = ["CopyChunk", "LoadWarehouse", "ReadWarehouse", "ChangeWarehouse"]
# Those of them that runs call.
LOADING = CONNECTED[:2]
# Those of them that operators' commands call.
OPERATING = CONNECTED[2:]


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement that allows something to one of the stack's roles, with the role's or policy's logical id."""
    for name, role in resources("AWS::IAM::Role").items():
        for policy in role["Policies"]:
            yield from ((name, statement) for statement in _statements(policy))
    for name, policy in (resources("AWS::IAM::Policy") | resources("AWS::IAM::ManagedPolicy")).items():
        yield from ((name, statement) for statement in _statements(policy))


def listed(value: Any) -> list[Any]:
    """A list, where CloudFormation and IAM also take its only member."""
    return list(value) if isinstance(value, list) else [value]


def named(value: Any) -> str:
    """A resource in a policy as text: `Bucket.Arn`, `${Bucket.Arn}/runs/*`, `arn:…:table/${Table}`."""
    if isinstance(value, str):
        return str(value)
    ((function, argument),) = value.items()
    if function == "Fn::GetAtt":
        return ".".join(listed(argument))
    if function == "Fn::If":
        return named(argument[1])
    return str(argument[0] if isinstance(argument, list) else argument)


def _statements(policy: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for statement in policy["PolicyDocument"]["Statement"]:
        yield statement["Fn::If"][1] if "Fn::If" in statement else statement
