"""`make demo STRATEGY=swap` and two runs: what the second changed, the rows before it back, and forward again."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from local import changes, sam
from local.changes import ADDED, CHANGED, REMOVED
from local.console import Console
from local.stack import PROJECT, Stack

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.slow]

type Demand = Callable[..., Any]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """The running local stack, in a separate folder."""
    stack = Stack(tmp_path / "stack")
    command = [
        sys.executable,
        "-m",
        "local",
        "--folder",
        str(stack.folder),
        "demo",
        "--size",
        "60",
        "--strategy",
        "swap",
    ]
    try:
        subprocess.run(command, cwd=PROJECT, check=True)
        yield stack
    finally:
        stack.down(Console())


@pytest.fixture
def demand(stack: Stack) -> Demand:
    """A command's result."""

    def demand(*words: str) -> Any:
        environment = sam.environment(stack.folder / "sam", stack.environment)
        command = [sys.executable, "-m", "demand", *words, "--json"]
        return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)

    return demand


def counted(diff: Any) -> dict[str, tuple[int, int, int]]:
    return {table["table"]: (table["added"], table["removed"], table["changed"]) for table in diff["tables"]}


def test_two_runs_differ_in_what_changed_and_a_rollback_brings_the_first_back_until_the_third(
    stack: Stack, demand: Demand
) -> None:
    first = demand("show")["report"]["run"]["name"]
    changes.change_items(stack.client("dynamodb"))
    second = demand("run")["run"]
    assert counted(demand("diff")) == dict.fromkeys(TABLES, (ADDED, REMOVED, CHANGED))

    rolled_back = demand("rollback", "--reason", "a test", "--yes")
    assert rolled_back["run"] == second
    assert {table["table"]: table["run"] for table in rolled_back["tables"]} == dict.fromkeys(TABLES, first)
    assert counted(demand("diff")) == dict.fromkeys(TABLES, (REMOVED, ADDED, CHANGED))
    assert {table["different"] for table in demand("verify")["tables"]} == {0}  # from the first run's rows

    assert demand("run")["committed"]
    assert counted(demand("diff")) == dict.fromkeys(TABLES, (ADDED, REMOVED, CHANGED))
