"""Parameters are described, bounded and all in use; each environment of samconfig.toml fits them."""

import json
import re
import tomllib
from typing import Any

import pytest

from tests.statemachine.harness import definition
from tests.template.loaded import PARAMETERS, ROOT, TEMPLATE

CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text())
MACHINE = definition()
DEPLOYED = ("default", "staging", "prod")


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_is_described_and_bounded(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter["Description"].endswith((".", ")."))
    if parameter["Type"] == "Number":
        assert "AllowedValues" in parameter or {"MinValue", "MaxValue"} <= set(parameter)
    else:
        assert "AllowedValues" in parameter or {"AllowedPattern", "ConstraintDescription"} <= set(parameter)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_default_is_within_its_own_bounds(name: str) -> None:
    if "Default" in PARAMETERS[name]:
        assert fits(name, str(PARAMETERS[name]["Default"]))


def test_every_parameter_is_used_and_shown_in_a_group() -> None:
    body = json.dumps({key: value for key, value in TEMPLATE.items() if key not in ("Parameters", "Metadata")})
    assert [name for name in PARAMETERS if f'"{name}"' not in body and f"${{{name}}}" not in body] == []
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert [name for group in groups for name in group["Parameters"]] == list(PARAMETERS)


def test_chunks_are_kept_as_long_as_a_redrive_can_need_them() -> None:
    """Step Functions: a run can be redriven for 14 days after its end, and then has its whole time once more."""
    longest_run = MACHINE["TimeoutSeconds"] // 86400
    needed = longest_run + 14 + longest_run
    assert next(days for days in range(100) if fits("StagingRetentionDays", str(days))) > needed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PostgresPort", "5432.5"),
        ("PostgresPort", "65536"),
        ("PostgresPort", "0"),
        ("SegmentBytes", "2147483648.5"),
        ("ChunkBytes", "1e9"),
        ("MinSegments", "1.5"),
        ("MaxSegments", "101"),
        ("MaxFunctionsPerTable", "0"),
        ("MaxFunctionsPerTable", "2.5"),
        ("MaxFunctionsPerTable", "41"),
        ("MaxReadUnitsPerSecond", "0.5"),
        ("StagingRetentionDays", "30.5"),
        ("MaxHoursWithoutSuccess", "26.5"),
        ("SubnetIds", "subnet-0aaaaaaaaaaaaaaa1,"),
        ("SecurityGroupIds", "sg-0aaaaaaaaaaaaaaa1,"),
        ("KmsKeyArns", "arn:aws:kms:eu-west-1:111111111111:key/a-1,"),
        ("KmsKeyArns", ","),
    ],
)
def test_fractions_and_trailing_commas_are_refused_before_anything_is_deployed(name: str, value: str) -> None:
    assert not fits(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PostgresPort", "65535"),
        ("PostgresPort", "1"),
        ("MaxSegments", "100"),
        ("MaxFunctionsPerTable", "40"),
        ("SubnetIds", "subnet-0aaaaaaaaaaaaaaa1,subnet-0aaaaaaaaaaaaaaa2"),
        ("MaxHoursWithoutSuccess", "168"),
        (
            "KmsKeyArns",
            "arn:aws-us-gov:kms:us-gov-west-1:111111111111:key/a-1,arn:aws:kms:eu-west-1:111111111111:key/b",
        ),
    ],
)
def test_what_fits_is_taken(name: str, value: str) -> None:
    assert fits(name, value)


@pytest.mark.parametrize("environment", DEPLOYED)
def test_an_environment_gives_parameters_that_fit(environment: str) -> None:
    given = overrides(CONFIG[environment])
    assert [name for name, value in given.items() if not fits(name, value)] == []
    required = {name for name, parameter in PARAMETERS.items() if "Default" not in parameter}
    assert required == {"PostgresHost", "PostgresSecretArn"}
    assert required <= set(given)


def test_the_local_environment_leaves_its_parameters_to_the_command_line() -> None:
    assert overrides(CONFIG["local"]) == {}


@pytest.mark.parametrize("environment", [*DEPLOYED, "local"])
def test_an_environment_has_a_stack_of_its_own_and_may_make_roles(environment: str) -> None:
    stack = CONFIG[environment]["global"]["parameters"]["stack_name"]
    assert stack == f"demand-pipeline-{environment.replace('default', 'dev')}"
    assert CONFIG[environment]["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"
    assert CONFIG[environment]["validate"]["parameters"]["lint"] is True


def overrides(environment: dict[str, Any]) -> dict[str, str]:
    """What an environment says of the template's parameters."""
    given = environment["deploy"]["parameters"].get("parameter_overrides", [])
    return dict(text.split("=", 1) for text in given)


def fits(name: str, value: str) -> bool:
    """Whether CloudFormation would take the value."""
    parameter = PARAMETERS[name]
    if "AllowedValues" in parameter:
        return value in [str(allowed) for allowed in parameter["AllowedValues"]]
    if parameter["Type"] == "Number":
        return bool(parameter["MinValue"] <= float(value) <= parameter["MaxValue"])
    return re.search(parameter["AllowedPattern"], value) is not None
