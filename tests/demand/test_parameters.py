"""`demand doctor` compares the stack with samconfig.toml and the template's defaults."""

import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from demand.config import Flags, find_config
from demand.doctor.parameters import parameters
from demand.overrides import read
from demand.stack import Stack
from demand_pipeline.contracts.operating.check import Finding, State

DECLARED = [
    {"ParameterKey": "PostgresHost"},
    {"ParameterKey": "SubnetIds", "DefaultValue": ""},
    {"ParameterKey": "MaxShrinkPercent", "DefaultValue": "100"},
    {"ParameterKey": "Password", "DefaultValue": "", "NoEcho": True},
]
DEPLOYED = {"PostgresHost": "dw", "SubnetIds": "", "MaxShrinkPercent": "100", "Password": "****"}


def compared(
    folder: Path, overrides: Any, stack_name: str = "mine", env: str = "staging", **deployed: str
) -> list[Finding]:
    """The findings for a stack with these values and a samconfig.toml with these overrides."""
    (folder / "samconfig.toml").write_text(
        f'[staging.global.parameters]\nstack_name = "{stack_name}"\n'
        f"[staging.deploy.parameters]\nparameter_overrides = {overrides}\n"
        '[empty.global.parameters]\nstack_name = "mine"\n[default]\n'
    )
    cloudformation = SimpleNamespace(get_template_summary=lambda **_: {"Parameters": DECLARED})
    stack = Stack("mine", "eu-west-1", {}, {**DEPLOYED, **deployed}, lambda _: cloudformation)
    return list(parameters(stack, find_config(Flags(config_env=env), {}, folder)))


def test_equal_values_are_fine(tmp_path: Path) -> None:
    found = compared(tmp_path, ["PostgresHost=dw", "MaxShrinkPercent=50"], MaxShrinkPercent="50")
    assert [finding.state for finding in found] == [State.OK]


@pytest.mark.parametrize(
    ("overrides", "deployed", "message", "lines"),
    [
        (["PostgresHost=dw"], {"MaxShrinkPercent": "50"}, "MaxShrinkPercent is '50' in the stack, but not listed in samconfig.toml [staging]", [{"MaxShrinkPercent": "50"}, {"MaxShrinkPercent": "100"}]),
        (["PostgresHost=dw"], {"SubnetIds": "subnet-1"}, "SubnetIds is 'subnet-1' in the stack, but not listed", [{"SubnetIds": "subnet-1"}, {"SubnetIds": ""}]),
        (["MaxShrinkPercent=100"], {}, "PostgresHost is 'dw' in the stack, but not listed", [{"PostgresHost": "dw"}]),
        (["PostgresHost=dw", "MaxShrinkPercent=50"], {}, "MaxShrinkPercent is '100' in the stack and '50' in samconfig.toml [staging]", [{"MaxShrinkPercent": "100"}]),
        (["PostgresHost=dw", 'SubnetIds=""'], {"SubnetIds": "subnet-1"}, "SubnetIds is 'subnet-1' in the stack and '' in", [{"SubnetIds": "subnet-1"}]),
    ],
)  # fmt: skip
def test_a_difference_comes_with_the_line_that_keeps_the_value_and_the_one_that_resets_it(
    tmp_path: Path, overrides: list[str], deployed: dict[str, str], message: str, lines: list[dict[str, str]]
) -> None:
    [found] = compared(tmp_path, overrides, **deployed)
    assert found.state is State.WARNING
    assert found.message.startswith(message)
    words = [word.rstrip(";") for word in found.action.split() if "=" in word]
    assert [read(tomllib.loads(f"line = {word}")["line"]) for word in words] == lines


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["PostgresHost=dw", "Typo=1"], "samconfig.toml [staging] lists Typo, which the deployed template does not declare"),
        (["PostgresHost=dw", "SubnetIds="], "samconfig.toml [staging]: SAM rejects 'SubnetIds='"),
        (["file://values.yaml"], "samconfig.toml [staging]: file://values.yaml reads values from another file"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_deployed_as_it_is_is_named(tmp_path: Path, overrides: list[str], message: str) -> None:
    [found] = compared(tmp_path, overrides)
    assert (found.state, found.message) == (State.WARNING, message)
    assert found.action


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stack_name": "another"}, "samconfig.toml [staging] is for the stack another, not for mine: choose a different environment with --config-env"),
        ({"env": "default"}, "samconfig.toml [default] contains no stack name: choose a different environment with --config-env"),
        ({"env": "empty"}, "samconfig.toml [empty] lists no parameter_overrides"),
    ],
)  # fmt: skip
def test_an_environment_of_another_stack_is_not_compared(tmp_path: Path, options: dict[str, str], message: str) -> None:
    [found] = compared(tmp_path, ["PostgresHost=dw"], **options)
    assert (found.state, found.message) == (State.SKIPPED, message)
