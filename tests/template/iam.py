"""IAM's answer to a request, for policies that only allow, with the operators of conditions that these policies use."""

import re
from collections.abc import Mapping
from typing import Any

from tests.template.loaded import listed

type Context = Mapping[str, list[str]]


def allows(policy: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    """Whether a statement of the policy allows the action; `context` has the values of each key of the request."""
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}
    return any(
        any(is_like(action.lower(), pattern.lower()) for pattern in listed(statement["Action"]))
        and any(is_like(resource, pattern) for pattern in listed(statement["Resource"]))
        and all(
            _fulfils(operator, context.get(key), listed(values))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
        for statement in policy["Statement"]
    )


def is_like(text: str, pattern: str) -> bool:
    """Whether the pattern fits, in which `*` is any text, colons and slashes included, and `?` any character."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None


def _fulfils(operator: str, found: list[str] | None, wanted: list[str]) -> bool:
    base = operator.removeprefix("ForAnyValue:").removesuffix("IfExists")
    assert base in ("StringEquals", "StringLike"), operator
    if found is None:
        return operator.endswith("IfExists")
    return any(value == each or (base == "StringLike" and is_like(value, each)) for value in found for each in wanted)
