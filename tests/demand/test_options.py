"""The options that every command has, and what the help shows."""

import json
import re
from typing import Any

import pytest
from typer.main import get_command

from demand.cli.app import EXAMPLES, PANELS, app
from tests.demand.conftest import Demand
from tests.demand.deployed import STACK, Stack

GROUP: Any = get_command(app)


@pytest.mark.parametrize(
    "words",
    [
        ("--stack", STACK, "--json", "runs"),
        ("runs", "--stack", STACK, "--json"),
        ("--stack", "another", "--json", "runs", "--stack", STACK),
        ("--json", "runs", "--stack", STACK, "--limit", "5"),
    ],
)
def test_shared_options_stand_before_or_after_the_command_whose_own_come_first(
    stack: Stack, demand: Demand, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.delenv("DEMAND_STACK")
    said = demand(*words)
    assert (said.code, said.json["runs"]) == (0, [])


def test_shared_options_stand_before_a_group_of_commands(demand: Demand) -> None:
    said = demand("--json", "--config-env", "prod", "rejects", "list")
    assert said.code == 2
    assert said.json["error"]["message"].startswith("--config-env prod: no samconfig.toml")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("--json replay", {"run", "tables"}),
        ("--json --tables cases replay", {"run", "tables"}),
        (f"--stack {STACK} --json replay", {"run", "tables"}),
        ("--json list", {"source", "reasons", "complete", "exported"}),
        (f"--json --stack {STACK} --samples 0", {"source", "reasons", "complete", "exported"}),
    ],
)
def test_shared_options_stand_before_a_command_of_a_group(
    stack: Stack, demand: Demand, words: str, shown: set[str]
) -> None:
    demand("run", "--json")
    said = demand("rejects", *words.split())
    assert (said.code, said.json.keys() - {"schema_version"}) == (0, shown)


@pytest.mark.parametrize("option", ["--stack", "--config-file"])
def test_an_empty_value_before_the_command_is_refused_by_name(demand: Demand, option: str) -> None:
    said = demand(option, "", "runs")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"error: {option}: expected a value, got an empty one")


@pytest.mark.parametrize("words", [(), *(tuple(name.split()) for name in EXAMPLES)])
def test_a_flag_has_no_value_in_the_help(
    demand: Demand, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = demand(*words, "--help")
    assert said.code == 0
    assert "--json" in said.out
    assert not re.search("<bool>|BOOLEAN", said.out)
    assert max(map(len, said.out.splitlines())) <= 80


def test_the_help_groups_commands_by_purpose(demand: Demand) -> None:
    shown = demand("--help").out
    panels = [re.findall(rf"─ {title} ─", shown) for title in PANELS]
    assert [len(found) for found in panels] == [1] * len(PANELS)
    assert "─ Commands ─" not in shown
    assert {name for names in PANELS.values() for name in names} == set(GROUP.commands)


def test_without_a_command_the_help_is_shown_and_no_error(demand: Demand) -> None:
    said = demand()
    assert (said.code, said.err) == (0, "")
    assert said.out == demand("--help").out


def test_the_version_is_that_of_the_project(demand: Demand) -> None:
    said = demand("--version")
    assert said.code == 0
    assert re.fullmatch(r"demand \d+\.\d+\.\d+\S*, contract \d+, Python 3\.\d+\.\d+\n", said.out)


def test_an_error_is_json_wherever_the_option_stands(demand: Demand) -> None:
    for words in (("--json", "runs", "--limit", "0"), ("runs", "--limit", "0", "--json")):
        assert json.loads(demand(*words).out)["error"]["message"] == "--limit 0: expected a number, 1 to 100"
