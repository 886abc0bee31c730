"""Compares the stack's parameters with samconfig.toml and the template's defaults. SAM keeps unlisted values."""

from collections.abc import Iterator
from typing import Any

from demand.config import FILE, Config, sam_parameters
from demand.doctor.finding import ok, skipped, warning
from demand.overrides import OverrideError, read, written
from demand.stack import Stack
from demand_pipeline.contracts.operating.check import Finding

_SUBJECT = "parameters"


def parameters(stack: Stack, config: Config) -> Iterator[Finding]:
    """Yield a warning for each parameter that a deployment would change, or keep although it is not listed."""
    place = f"{FILE} [{config.config_env.value}]"
    settings = sam_parameters(config)
    name, overrides = settings.get("stack_name"), settings.get("parameter_overrides")
    if name != stack.name:
        found = f"{place} is for the stack {name}, not for {stack.name}" if name else f"{place} contains no stack name"
        yield skipped(_SUBJECT, f"{found}: choose a different environment with --config-env")
        return
    if not overrides:
        yield skipped(_SUBJECT, f"{place} lists no parameter_overrides")
        return
    try:
        given = read(overrides)
    except OverrideError as error:
        yield warning(_SUBJECT, f"{place}: {error}", "see docs/deploy.md, Parameters")
        return
    summary = stack.client("cloudformation").get_template_summary(StackName=stack.name)
    declared = {entry["ParameterKey"]: entry for entry in summary["Parameters"]}
    problems = 0
    for problem in (*_unknown(given.keys() - declared.keys(), place), *_different(stack, declared, given, config)):
        problems += 1
        yield problem
    if not problems:
        yield ok(_SUBJECT, f"the stack has the values of {place}, and otherwise the template's defaults")


def _unknown(names: set[str], place: str) -> Iterator[Finding]:
    for name in sorted(names):
        message = f"{place} lists {name}, which the deployed template does not declare"
        yield warning(_SUBJECT, message, "deploy this version, or remove the line")


def _different(stack: Stack, declared: dict[str, Any], given: dict[str, str], config: Config) -> Iterator[Finding]:
    place = f"{FILE} [{config.config_env.value}]"
    deploy = f"sam deploy --config-env {config.config_env.value}"
    for name, entry in declared.items():
        actual = stack.parameters.get(name, "")
        default = entry.get("DefaultValue")
        if entry.get("NoEcho"):
            continue
        if name in given:
            if actual != given[name]:
                message = f"{name} is {actual!r} in the stack and {given[name]!r} in {place}"
                action = f"write {written(name, actual)} to keep it; or {deploy} to change it"
                yield warning(_SUBJECT, message, action)
        elif actual != default:
            message = f"{name} is {actual!r} in the stack, but not listed in {place}: every deployment keeps that value"
            reset = "" if default is None else f"; or {written(name, default)} and deploy for the template's default"
            yield warning(_SUBJECT, message, f"write {written(name, actual)} to keep it{reset}")
