"""The variables file of `sam local invoke --env-vars`; SAM ignores variables that the template does not declare.

`python -m local.variables FILE` checks one.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

from local import sam
from local.stack import PROJECT, Stack

_ALL_FUNCTIONS = "Parameters"  # SAM's name for the variables of every function

type Variables = dict[str, dict[str, str]]
"""Values by the function's logical id and variable."""


class VariablesError(RuntimeError):
    """A variables file contains something that SAM would ignore; the message is one line."""


def deployed(stack: Stack) -> Variables:
    """Return the variables of the deployed functions, with addresses that a container can reach."""
    functions, containers = stack.client("lambda"), stack.container_environment
    variables = {}
    for name, physical in sam.functions(stack.client("cloudformation")).items():
        found = functions.get_function_configuration(FunctionName=physical)["Environment"]["Variables"]
        variables[name] = {variable: containers.get(variable, value) for variable, value in found.items()}
    return variables


def read(path: Path) -> Variables:
    """Read a variables file; raises VariablesError for a function or a variable that the template does not declare."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as failure:
        raise VariablesError(f"{path}: not a JSON file: {failure}") from None
    declared = _declared()
    declared[_ALL_FUNCTIONS] = set().union(*declared.values())
    for function, variables in _object(path, content).items():
        if function not in declared:
            raise VariablesError(f"{path}: expected one of {_listed(declared)}, got {function!r}")
        for variable in _object(f"{path}: {function}", variables):
            if variable not in declared[function]:
                expected = _listed(declared[function])
                raise VariablesError(f"{path}: {function}: expected one of {expected}, got {variable!r}")
    return dict(content)


def merged(variables: Variables, changes: Variables) -> Variables:
    """Return the variables, overridden by the values of a variables file."""
    common = changes.get(_ALL_FUNCTIONS, {})
    return {
        function: values | {name: value for name, value in common.items() if name in values} | changes.get(function, {})
        for function, values in variables.items()
    }


def _declared() -> dict[str, set[str]]:
    template = cfn_yaml.load(str(PROJECT / "template.yaml"))
    common = _names(template["Globals"]["Function"])
    return {
        name: common | _names(resource["Properties"])
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def _names(function: Mapping[str, Any]) -> set[str]:
    return set(function.get("Environment", {}).get("Variables", ()))


def _object(place: object, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise VariablesError(f"{place}: expected an object, got {value!r:.200}")
    return value


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))


if __name__ == "__main__":
    try:
        read(Path(*sys.argv[1:]))
    except VariablesError as failure:
        sys.exit(str(failure))
