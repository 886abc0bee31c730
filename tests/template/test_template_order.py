"""Nothing needs a permission that CloudFormation gives only later.

AWS: CreateFunction and CreateStateMachine look at once at what the role may do, such as writing traces, and refuse.
CloudFormation creates in the order of references, so what gives a permission must be reachable from what needs it.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.template.loaded import CONNECTED, TEMPLATE

RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]


def references(node: Any) -> Iterator[str]:
    """Logical ids that a part of the template names."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value[0] if isinstance(value, list) else value.partition(".")[0]
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{(\w+)(?:\.\w+)?\}", value if isinstance(value, str) else value[0])
                yield from references(value[1:] if isinstance(value, list) else None)
            else:
                yield from references(value)
    elif isinstance(node, list):
        for element in node:
            yield from references(element)


def created_before(name: str, resources: dict[str, dict[str, Any]]) -> set[str]:
    """Return the resources that CloudFormation has created before it creates a resource."""
    found: set[str] = set()
    todo = [name]
    while todo:
        resource = resources[todo.pop()]
        needs = {
            *references(resource.get("Properties")),
            *references({"Ref": n} for n in resource.get("DependsOn", [])),
        }
        new = (needs & set(resources)) - found
        found |= new
        todo += new
    return found


def late_permissions(resources: dict[str, dict[str, Any]]) -> set[tuple[str, str]]:
    """Each resource with a role, and each policy of that role that comes after it."""
    users = {
        (name, role)
        for name, resource in resources.items()
        for field in ("Role", "RoleArn", "Target")
        for role in references(resource["Properties"].get(field))
        if resources.get(role, {}).get("Type") == "AWS::IAM::Role"
    }
    policies = [(name, set(references(r["Properties"].get("Roles")))) for name, r in resources.items()]
    return {
        (user, policy)
        for user, role in users
        for policy, roles in policies
        if role in roles and policy not in created_before(user, resources)
    }


def test_no_resource_is_created_before_the_permissions_of_its_role() -> None:
    assert late_permissions(RESOURCES) == set()


@pytest.mark.parametrize("user", ["ScanSegment", *CONNECTED, "DemandPipeline", "Schedule"])
def test_a_policy_of_its_own_would_come_too_late_for_what_uses_the_role(user: str) -> None:
    policy = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"Roles": [{"Ref": "ScheduleRole" if user == "Schedule" else f"{user}Role"}]},
    }
    assert late_permissions(RESOURCES | {"LatePolicy": policy}) == {(user, "LatePolicy")}
