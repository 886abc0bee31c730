"""What the README and the guides for operators and developers say is so."""

import ast
import inspect
import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from demand_pipeline import errors
from demand_pipeline.tables import Column
from local.invoke import command
from local.sample_events import function_events

README = Path("README.md").read_text(encoding="utf-8")
OPERATE = Path("docs/operate.md").read_text(encoding="utf-8")
DEVELOP = Path("docs/develop.md").read_text(encoding="utf-8")
GUIDES = README + OPERATE + DEVELOP + Path("CONTRIBUTING.md").read_text(encoding="utf-8")
DEFINITION = Path("statemachine/demand_pipeline.asl.json").read_text(encoding="utf-8")
MAKEFILE = Path("Makefile").read_text(encoding="utf-8")
ASL = json.loads(DEFINITION)

PROSE = re.sub(r"```.*?```", "", GUIDES, flags=re.DOTALL)

# Roots that are never raised themselves.
ABSTRACT = {errors.PipelineError}

# What to do, by the error's name.
ADVICE = {
    name: row[2]
    for row in re.findall(
        r"^\| (.*?) \| (.*?) \| (.*?) \|$", OPERATE.partition("| error |")[2].partition("\n\n")[0], re.MULTILINE
    )
    for name in re.findall(r"`([\w.…]+)`", row[0])
}


def blocks(language: str, document: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)


def test_the_errors_that_are_explained_are_those_that_are_raised() -> None:
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    ours = {name for name in ADVICE if "." not in name}
    others = {ASL["States"]["RefuseInput"]["Error"], ClientError.__name__}
    assert ours == {kind.__name__ for kind in classes - ABSTRACT} | others


def test_every_error_that_is_retried_is_explained_for_when_the_retries_do_not_help() -> None:
    retried = {
        name
        for names in re.findall(r'"ErrorEquals": \[(.*?)\]', DEFINITION, re.DOTALL)
        for name in json.loads(f"[{names}]")
    }
    assert {
        name for name in retried if not any(fnmatch(name, pattern.replace("…", "*")) for pattern in ADVICE)
    } == set()


@pytest.mark.parametrize("error", ADVICE)
def test_what_to_do_is_a_redrive_only_where_a_redrive_helps(error: str) -> None:
    assert re.search(r"\bredrive\b|\bnew runs?\b|\bnothing\b", ADVICE[error])
    # A run keeps the definition that it started with: what is in it changes with the next run only.
    if any(re.search(rf"`{name}`", ADVICE[error]) for name in re.findall(r"\$\{(\w+)\}", DEFINITION)):
        assert "new run" in ADVICE[error]


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
