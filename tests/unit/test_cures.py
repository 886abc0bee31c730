"""Every error that a run can fail with has an entry that says what to do."""

import inspect
import json
import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from demand_pipeline import errors
from demand_pipeline.cures import CURES, Cure, cure

DEFINITION = Path("statemachine/demand_pipeline.asl.json").read_text(encoding="utf-8")
# Roots that are never raised themselves.
ABSTRACT = {errors.PipelineError}


def test_the_errors_that_are_explained_are_those_that_are_raised() -> None:
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    ours = [name for entry in CURES for name in entry.names if "." not in name]
    others = [json.loads(DEFINITION)["States"]["RefuseInput"]["Error"], ClientError.__name__]
    assert sorted(ours) == sorted([kind.__name__ for kind in classes - ABSTRACT] + others)


def test_every_error_that_is_retried_is_explained_for_when_the_retries_do_not_help() -> None:
    retried = re.findall(r'"ErrorEquals": \[(.*?)\]', DEFINITION, re.DOTALL)
    names = {name for each in retried for name in json.loads(f"[{each}]")}
    assert names
    assert {name for name in names if cure(name) is None} == set()


def test_an_entry_of_the_name_itself_comes_before_one_of_a_pattern() -> None:
    for name in [name for entry in CURES for name in entry.names if "*" not in name]:
        found = cure(name)
        assert found is not None
        assert name in found.names
    assert cure("Lambda.NewException") == cure("Lambda.ServiceException")
    assert cure("ZeroDivisionError") is None


@pytest.mark.parametrize("entry", CURES, ids=lambda entry: entry.names[0])
def test_what_to_do_is_a_redrive_only_where_a_redrive_helps(entry: Cure) -> None:
    assert re.search(r"\bredrive\b|\bnew runs?\b|\bnothing\b", entry.action)
    # A run keeps the definition that it started with: what is in it changes with the next run only.
    if any(f"`{name}`" in entry.action for name in re.findall(r"\$\{(\w+)\}", DEFINITION)):
        assert "new run" in entry.action


@pytest.mark.parametrize(
    "page", sorted({page for entry in CURES for page in re.findall(r"docs/[\w.-]+", entry.action)})
)
def test_every_page_exists(page: str) -> None:
    assert Path(page).is_file()
