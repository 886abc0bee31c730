"""Checks a state machine for errors that `sam validate`, cfn-lint and the interpreters accept.

Dangling, unreachable and endless states at any depth, names used twice, expressions that do not parse, and variables
that nothing assigns or that an inner scope assigns again (which Step Functions refuses at run time only).
"""

import re
from collections.abc import Iterator
from typing import Any

import jsonata

_STRING = re.compile(r"'[^']*'|\"[^\"]*\"")
_PARAMETERS = re.compile(r"function\s*\(([^)]*)\)")
_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)(?!\w*\s*\()")


def lint(machine: dict[str, Any]) -> list[str]:
    """Return the defects of a definition whose substitutions were made, each as `place: what`."""
    names = [name for _, scope in scopes(machine) for name in scope["States"]]
    defects = [
        f"{name}: more than one state has this name" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for place, scope in scopes(machine):
        defects += _lint_scope(place, scope)
    defects += _lint_variables("machine", machine, set())
    return defects + [defect for place, text in expressions(machine) for defect in _lint_expression(place, text)]


def scopes(machine: dict[str, Any], place: str = "machine") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the machine itself, and every Parallel branch and Map processor inside it."""
    yield place, machine
    for name, state in machine["States"].items():
        for inner in _inner(state):
            yield from scopes(inner, name)


def states(machine: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every state at any depth by its name."""
    return {name: state for _, scope in scopes(machine) for name, state in scope["States"].items()}


def expressions(node: Any, place: str = "machine") -> Iterator[tuple[str, str]]:
    """Yield every string that begins as an expression, with the path to it."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from expressions(value, f"{place}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from expressions(value, f"{place}[{index}]")
    elif isinstance(node, str) and (node.lstrip().startswith("{%") or node.rstrip().endswith("%}")):
        yield place, node


def _inner(state: dict[str, Any]) -> list[dict[str, Any]]:
    branches: list[dict[str, Any]] = state.get("Branches", [])
    return branches + [state[key] for key in ("ItemProcessor", "Iterator") if key in state]


def _lint_scope(place: str, scope: dict[str, Any]) -> Iterator[str]:
    found, todo = set(), [(place, scope["StartAt"])]
    while todo:
        source, name = todo.pop()
        if name not in scope["States"]:
            yield f"{source}: there is no state {name!r} to go to"
        elif name not in found:
            found.add(name)
            todo += [(name, target) for target in _targets(scope["States"][name])]
    for name, state in scope["States"].items():
        if name not in found:
            yield f"{name}: nothing leads here"
        ends = state["Type"] in ("Succeed", "Fail") or state.get("End") is True
        if ends and ("Next" in state or "Choices" in state):
            yield f"{name}: ends, and goes on as well"
        if not ends and not (state.get("Default") if state["Type"] == "Choice" else state.get("Next")):
            yield f"{name}: neither ends nor goes on"


def _targets(state: dict[str, Any]) -> list[str]:
    rules = state.get("Choices", []) + state.get("Catch", [])
    return [state[key] for key in ("Next", "Default") if key in state] + [rule["Next"] for rule in rules]


def _lint_expression(place: str, text: str) -> Iterator[str]:
    if not (text.startswith("{%") and text.endswith("%}")):
        yield f"{place}: an expression begins with {{% and ends with %}}, without anything around"
        return
    try:
        jsonata.Jsonata(text[2:-2])
    except Exception as error:  # noqa: BLE001 - the parser raises what it likes, and each is a defect
        yield f"{place}: {error}"


def _lint_variables(place: str, scope: dict[str, Any], outer: set[str]) -> Iterator[str]:
    assigned = {name for state in scope["States"].values() for name in _assigned(state)}
    for name in sorted(assigned & outer):
        yield f"{place}: ${name} belongs to an outer scope and cannot be assigned here"
    visible = assigned | outer
    for name, state in scope["States"].items():
        own = {key: value for key, value in state.items() if key not in ("Branches", "ItemProcessor", "Iterator")}
        for where, text in expressions(own, name):
            for variable in sorted(_used(text) - visible):
                yield f"{where}: nothing assigns ${variable}"
        for inner in _inner(state):
            yield from _lint_variables(name, inner, visible)


def _assigned(state: dict[str, Any]) -> set[str]:
    rules = state.get("Choices", []) + state.get("Catch", [])
    return {name for source in (state, *rules) for name in source.get("Assign", {})}


def _used(text: str) -> set[str]:
    code = _STRING.sub("''", text)
    parameters = {name.strip().lstrip("$") for found in _PARAMETERS.findall(code) for name in found.split(",")}
    bound = set(re.findall(r"\$(\w+)\s*:=", code))
    return set(_VARIABLE.findall(code)) - parameters - bound - {"states"}
