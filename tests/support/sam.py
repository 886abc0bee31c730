"""Asks SAM, in its separate environment, how it reads samconfig.toml and the template."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

_PARSE = """
import json, sys
from samcli.cli import types
convert = getattr(types, sys.argv[1])().convert
def parsed(text):
    try:
        return convert([text], None, None)
    except Exception:
        return None
json.dump([parsed(text) for text in json.load(sys.stdin)], sys.stdout)
"""
_TRANSFORM = """
import json, sys
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
json.dump(transform(json.load(sys.stdin), {}, ManagedPolicyLoader(None)), sys.stdout)
"""
_CODE = ("CodeUri", "ContentUri", "DefinitionUri")


def parse_overrides(texts: Iterable[object]) -> list[dict[str, str] | None]:
    """The parameters that SAM makes of each member of the list; None where it refuses one."""
    found: list[dict[str, str] | None] = _in_sam(_PARSE, list(texts), "CfnParameterOverridesType")
    return found


def parse_tags(texts: Iterable[str]) -> list[dict[str, str] | None]:
    """The same for tags."""
    found: list[dict[str, str] | None] = _in_sam(_PARSE, list(texts), "CfnTags")
    return found


def transformed(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template as CloudFormation gets it from SAM, once its code is in S3."""
    document = json.loads(json.dumps(template))
    for resource in document["Resources"].values():
        resource["Properties"] |= {name: "s3://bucket/key" for name in _CODE if name in resource["Properties"]}
    found: dict[str, Any] = _in_sam(_TRANSFORM, document)
    return found


def _in_sam(script: str, given: Any, *arguments: str) -> Any:
    answer = subprocess.run(
        [".venv-sam/bin/python", "-c", script, *arguments],
        input=json.dumps(given),
        env=os.environ | {"AWS_DEFAULT_REGION": "eu-west-1"},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(answer.stdout)
