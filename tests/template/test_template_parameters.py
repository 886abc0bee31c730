"""Parameters are described, bounded and all in use; each environment of samconfig.toml fits them."""

import json
import re
import tomllib
from typing import Any

import pytest

from local import sam
from tests.statemachine.harness import definition
from tests.support.sam import parse_overrides, parse_tags
from tests.template.loaded import PARAMETERS, ROOT, TEMPLATE

CONFIG_TEXT = (ROOT / "samconfig.toml").read_text(encoding="utf-8")
CONFIG = tomllib.loads(CONFIG_TEXT)
DOCUMENTS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
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
    least = next(days for days in range(100) if fits("StagingRetentionDays", str(days)))
    # S3 applies a rule at midnight, up to a day later. More days only cost more.
    assert least == needed + 1 == int(PARAMETERS["StagingRetentionDays"]["Default"])


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


@pytest.mark.parametrize("environment", DEPLOYED)
def test_a_stack_is_tagged_with_its_application_and_environment(environment: str) -> None:
    tags = {"application": "demand-pipeline", "environment": overrides(CONFIG[environment])["Environment"]}
    assert parse_tags([CONFIG[environment]["deploy"]["parameters"]["tags"]]) == [tags]


def test_a_value_that_needs_quotes_has_an_example_in_samconfig() -> None:
    commented = re.findall(r"^#\s+('.*'|\".*\"),$", CONFIG_TEXT, re.MULTILINE)
    examples = [tomllib.loads(f"value = {text}")["value"] for text in commented]
    parsed = parse_overrides(examples)
    assert {"SubnetIds": ""} in parsed
    assert [value for found in parsed for value in (found or {}).values() if " " in value] != []
    assert [text for text, found in zip(examples, parsed, strict=True) if not complete(text, found)] == []


def test_sam_refuses_an_empty_value_without_quotes_and_cuts_a_value_at_its_first_blank() -> None:
    parsed = parse_overrides(["SubnetIds=", "ScheduleExpression=cron(0 4 * * ? *)"])
    assert parsed == [None, {"ScheduleExpression": "cron(0"}]


def test_a_value_in_the_documentation_reaches_the_template_as_it_is_written() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    lists = [tomllib.loads(block)["parameter_overrides"] for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    names = "|".join(PARAMETERS)
    quoted = [value for _, value in re.findall(rf"`('?)((?:{names})=[^`]*)\1`", text)]
    examples = [value for values in lists for value in values] + quoted
    assert [
        text for text, found in zip(examples, parse_overrides(examples), strict=True) if not complete(text, found)
    ] == []
    assert len(examples) == len(re.findall(rf"\b(?:{names})=", text)), "a value stands in toml or between backticks"


def test_the_local_stack_gets_any_value_as_it_is() -> None:
    given = {"SubnetIds": "", "ScheduleExpression": "cron(0 4 * * ? *)", "PostgresHost": "localhost"}
    assert parse_overrides(sam.overrides(given)) == [{name: value} for name, value in given.items()]


def complete(text: str, parsed: dict[str, str] | None) -> bool:
    """Whether SAM makes the whole text one parameter, whose value CloudFormation would take."""
    name, _, value = text.partition("=")
    wanted = value[1:-1] if value.startswith('"') else value
    return parsed == {name: wanted} and fits(name, wanted)


def overrides(environment: dict[str, Any]) -> dict[str, str]:
    """The template's parameters that an environment gives, as SAM reads them."""
    given = environment["deploy"]["parameters"].get("parameter_overrides", [])
    parsed = parse_overrides(given)
    assert [text for text, found in zip(given, parsed, strict=True) if not complete(text, found)] == []
    return {name: value for found in parsed for name, value in (found or {}).items()}


def fits(name: str, value: str) -> bool:
    """Whether CloudFormation would take the value."""
    parameter = PARAMETERS[name]
    if "AllowedValues" in parameter:
        return value in [str(allowed) for allowed in parameter["AllowedValues"]]
    if parameter["Type"] == "Number":
        return bool(parameter["MinValue"] <= float(value) <= parameter["MaxValue"])
    return re.search(parameter["AllowedPattern"], value) is not None
