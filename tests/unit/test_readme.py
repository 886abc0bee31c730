"""The statements of the README and of the guides for operators and developers are true."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.tables import Column
from local.invoke import command
from local.sample_events import function_events

README = Path("README.md").read_text(encoding="utf-8")
OPERATE = Path("docs/operate.md").read_text(encoding="utf-8")
RUNBOOK = Path("docs/runbook.md").read_text(encoding="utf-8")
DEVELOP = Path("docs/develop.md").read_text(encoding="utf-8")
GUIDES = README + OPERATE + RUNBOOK + DEVELOP + Path("CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGELOG = Path("CHANGELOG.md").read_text(encoding="utf-8")
UPGRADE = Path("docs/upgrade.md").read_text(encoding="utf-8")
PAGES = [path.read_text(encoding="utf-8") for path in Path("docs").iterdir() if path.suffix in {".md", ".sql"}]
SERVERS = json.loads(Path("requirements/postgres/package.json").read_text(encoding="utf-8"))["optionalDependencies"]
DEFINITION = Path("statemachine/demand_pipeline.asl.json").read_text(encoding="utf-8")
MAKEFILE = Path("Makefile").read_text(encoding="utf-8")
ASL = json.loads(DEFINITION)

PROSE = re.sub(r"```.*?```", "", GUIDES, flags=re.DOTALL)


def blocks(language: str, document: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^\$ )make ([a-z-]+)", GUIDES, re.MULTILINE))))
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


def test_every_make_target_is_explained() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)) - {"help"}
    assert set(re.findall(r"^\| `make ([a-z-]+)` \| ", DEVELOP, re.MULTILINE)) == targets


def test_the_functions_are_tried_with_the_commands_that_are_tested() -> None:
    local = Path(".local")
    tested = {
        " ".join(command(event.function, event.path(local / "events"), local / "samconfig.toml"))
        for event in function_events()
    }
    shown = re.findall(r"^\$ (sam local invoke .*)$", DEVELOP, re.MULTILINE)
    assert len(shown) == 3
    assert set(shown) <= tested


def test_the_column_that_is_added_is_a_declaration() -> None:
    [line] = blocks("python", README)
    [call] = ast.parse(line).body[0].value.elts  # type: ignore[attr-defined]
    column = eval(ast.unparse(call), {"Column": Column, **vars(__import__("demand_pipeline.tables", fromlist=["x"]))})  # noqa: S307
    assert column.path == ("payment", "terms")


def test_the_fields_of_the_run_input_are_those_that_are_checked() -> None:
    table = OPERATE.partition("| field |")[2].partition("\n\n")[0]
    fields = {name for row in re.findall(r"^\| (`.*?`) \| ", table, re.MULTILINE) for name in re.findall(r"\w+", row)}
    assert fields == set(re.findall(r"input\.(\w+)", json.dumps(ASL["States"]["CheckInput"])))
    for block in blocks("json", OPERATE):
        assert set(json.loads(block)) <= fields


PARAMETERS = r"`((?:Max|Min)[A-Z]\w+|ChunkBytes|SourceAccountId|Postgres\w+|\w+Table)`"


@pytest.mark.parametrize("name", sorted(set(re.findall(PARAMETERS, PROSE))))
def test_every_parameter_that_is_named_exists(name: str) -> None:
    assert re.search(rf"^  {name}:", Path("template.yaml").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_first_lines_name_the_version_the_licence_and_what_is_tested() -> None:
    [line] = re.findall(r"^Version .*$", README, re.MULTILINE)
    version, licence, servers, python, *_ = line.split(" · ")
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    assert (version, licence) == (f"Version {project['version']}", project["license"])
    assert Path("LICENSE").read_text("utf-8").split()[:4] == ["Apache", "License", "Version", "2.0,"]
    tested = sorted(int(name.partition("-")[2]) for name in SERVERS if name.startswith("x64-"))
    assert servers == f"PostgreSQL {tested[0]} to {tested[-1]}"
    assert tested == list(range(tested[0], tested[-1] + 1))
    needed = project["requires-python"].removeprefix(">=")
    assert (python, Path(".python-version").read_text("utf-8").strip()) == (f"Python {needed} or newer", needed)
    assert f"Runtime: python{needed}\n" in Path("template.yaml").read_text("utf-8")


def test_every_page_names_the_same_range_of_postgresql() -> None:
    named = re.findall(r"PostgreSQL (\d+) to (\d+)", "\n".join([GUIDES, CHANGELOG, *PAGES]))
    assert len(named) > 4
    assert len(set(named)) == 1


def test_the_newest_release_is_the_project_s_version_and_dated() -> None:
    version, date = re.findall(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)$", CHANGELOG, re.MULTILINE)[0]
    assert version == tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert date.startswith("20")


def test_the_upgrade_page_ends_with_the_newest_version_and_contract() -> None:
    version = re.findall(r"^## (\d+\.\d+\.\d+) ", CHANGELOG, re.MULTILINE)[0]
    versions, contracts = [part.partition("\n\n##")[0] for part in re.split(r"\| --- .*\n", UPGRADE)[1:]]
    assert versions.strip().splitlines()[-1].startswith(f"| {version} | {CONTRACT} |")
    assert contracts.strip().splitlines()[-1].startswith(f"| {CONTRACT} |")
