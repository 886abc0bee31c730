"""Where the settings come from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from demand.aws import Clients
from demand.config import Config, Flags, find_config
from demand.errors import UsageError

SAMCONFIG = """
[default.global.parameters]
stack_name = "of-default"
region = "eu-west-1"
[default.deploy.parameters]
region = "eu-west-2"
[prod.global.parameters]
stack_name = "of-prod"
profile = "prod-admin"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


def values(found: Config) -> list[tuple[str | None, str]]:
    return [(setting.value, setting.source) for setting in (found.stack, found.region, found.profile)]


VARIABLES = {"DEMAND_STACK": "of-variable", "AWS_REGION": "us-east-1", "AWS_PROFILE": "me"}
PROD, DEFAULT = "samconfig.toml [prod]", "samconfig.toml [default]"


@pytest.mark.parametrize(
    ("flags", "variables", "expected"),
    [
        (Flags(), {}, [("of-default", DEFAULT), ("eu-west-2", DEFAULT), (None, f"not in --profile, DEMAND_PROFILE, {DEFAULT}, AWS_PROFILE")]),
        (Flags(), VARIABLES, [("of-variable", "DEMAND_STACK"), ("eu-west-2", DEFAULT), ("me", "AWS_PROFILE")]),
        (Flags(), {"DEMAND_REGION": "x", "DEMAND_STACK": ""}, [("of-default", DEFAULT), ("x", "DEMAND_REGION"), (None, f"not in --profile, DEMAND_PROFILE, {DEFAULT}, AWS_PROFILE")]),
        (Flags(stack="of-flag", region="r", profile="p"), VARIABLES, [("of-flag", "--stack"), ("r", "--region"), ("p", "--profile")]),
        (Flags(config_env="prod"), VARIABLES, [("of-prod", PROD), ("us-east-1", "AWS_REGION"), ("prod-admin", PROD)]),
        (Flags(), {**VARIABLES, "DEMAND_CONFIG_ENV": "prod"}, [("of-variable", "DEMAND_STACK"), ("us-east-1", "AWS_REGION"), ("prod-admin", PROD)]),
    ],
)  # fmt: skip
def test_flags_come_first_then_variables_then_samconfig_then_awss_own(
    checkout: Path, flags: Flags, variables: dict[str, str], expected: list[tuple[str | None, str]]
) -> None:
    assert values(find_config(flags, variables, checkout)) == expected


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (Flags(config_env="nope"), "--config-env nope: .*samconfig.toml contains default, prod"),
        (Flags(config_file=Path("nope.toml")), "nope.toml: cannot read SAM's settings: No such file"),
    ],
)
def test_a_missing_environment_or_file_is_named_with_what_there_is(checkout: Path, flags: Flags, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        find_config(flags, {}, checkout)


def test_a_file_that_is_not_toml_is_named(checkout: Path) -> None:
    (checkout / "samconfig.toml").write_text("version = ")
    with pytest.raises(UsageError, match="cannot read SAM's settings"):
        find_config(Flags(), {}, checkout)


def test_without_any_stack_the_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no stack: not in --stack, DEMAND_STACK, samconfig.toml \[default\]"):
        _ = find_config(Flags(), {}, tmp_path).stack_name


def test_a_profile_of_the_shell_counts_for_a_real_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(
        "[profile me]\nregion = eu-north-1\naws_access_key_id = mine\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "me")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anothers")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = Clients(find_config(Flags(), folder=tmp_path))("stepfunctions")
    assert (client.meta.region_name, client._request_signer._credentials.access_key) == ("eu-north-1", "mine")
    client.close()


def test_a_log_level_of_another_program_does_not_stop_a_command() -> None:
    command = [sys.executable, "-m", "demand", "--help"]
    subprocess.run(command, env={**os.environ, "LOG_LEVEL": "verbose"}, check=True, capture_output=True)
