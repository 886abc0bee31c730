"""A run's input: what is taken, and what is refused by name before anything is read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.statemachine.fakes import FIRST, LAST, LAST_NAME, handlers, sized
from tests.statemachine.fakes import TABLES as NAMES
from tests.statemachine.harness import Machine

EVENTS = Path(__file__).parents[2] / "events"
FIELDS = "only tables, dryRun, maxItems, saveCsv, force, maxRejectPercent and maxShrinkPercent"
TABLES = f"one or more of {', '.join(NAMES[:-1])} and {LAST}, each once"
FLAG, PERCENT, COUNT = "true or false", "a number from 0 to 100", "a whole number of 1 or more"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(handlers(), around=sized()) as running:
        yield running


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        ([], "the input: expected an object, got array []"),
        ([{}], "the input: expected an object, got array [{}]"),
        ("{}", "the input: expected an object, got string {}"),
        (None, "the input: expected an object, got null null"),
        ({"dryrun": True}, f'dryrun: expected {FIELDS}, got object {{"dryrun":true}}'),
        ({"a": None, "dryRun": True, "b": [1]}, f'a, b: expected {FIELDS}, got object {{"a":null,"b":[1]}}'),
        ({"tables": []}, f"tables: expected {TABLES}, got array []"),
        ({"tables": FIRST}, f"tables: expected {TABLES}, got string {FIRST}"),
        ({"tables": None}, f"tables: expected {TABLES}, got null null"),
        ({"tables": {FIRST: True}}, f'tables: expected {TABLES}, got object {{"{FIRST}":true}}'),
        ({"tables": ["others"]}, f'tables: expected {TABLES}, got array ["others"]'),
        ({"tables": [FIRST, LAST_NAME]}, f'tables: expected {TABLES}, got array ["{FIRST}","{LAST_NAME}"]'),
        ({"tables": [FIRST, FIRST]}, f'tables: expected {TABLES}, got array ["{FIRST}","{FIRST}"]'),
        ({"tables": [[FIRST]]}, f'tables: expected {TABLES}, got array [["{FIRST}"]]'),
        ({"tables": [None]}, f"tables: expected {TABLES}, got array [null]"),
        ({"dryRun": "true"}, f"dryRun: expected {FLAG}, got string true"),
        ({"dryRun": 1}, f"dryRun: expected {FLAG}, got number 1"),
        ({"dryRun": None}, f"dryRun: expected {FLAG}, got null null"),
        ({"saveCsv": "no"}, f"saveCsv: expected {FLAG}, got string no"),
        ({"force": []}, f"force: expected {FLAG}, got array []"),
        ({"maxRejectPercent": "5"}, f"maxRejectPercent: expected {PERCENT}, got string 5"),
        ({"maxRejectPercent": -0.5}, f"maxRejectPercent: expected {PERCENT}, got number -0.5"),
        ({"maxRejectPercent": 101}, f"maxRejectPercent: expected {PERCENT}, got number 101"),
        ({"maxShrinkPercent": True}, f"maxShrinkPercent: expected {PERCENT}, got boolean true"),
        ({"maxShrinkPercent": None}, f"maxShrinkPercent: expected {PERCENT}, got null null"),
        ({"maxItems": 0, "dryRun": True}, f"maxItems: expected {COUNT}, got number 0"),
        ({"maxItems": 1.5, "dryRun": True}, f"maxItems: expected {COUNT}, got number 1.5"),
        ({"maxItems": "5", "dryRun": True}, f"maxItems: expected {COUNT}, got string 5"),
        ({"maxItems": 5}, "maxItems: expected dryRun true next to it, got number 5"),
        ({"maxItems": 5, "dryRun": False}, "maxItems: expected dryRun true next to it, got number 5"),
    ],
    ids=lambda value: json.dumps(value) if not isinstance(value, str) else "",
)
def test_an_input_is_refused_by_name_before_anything_is_read(machine: Machine, data: Any, cause: str) -> None:
    machine.tasks.clear()
    run = machine.start(data)
    assert (run.status, run.error, run.cause) == ("FAILED", "InvalidInput", cause)
    assert machine.tasks == []


def test_a_long_value_is_cut_in_the_refusal(machine: Machine) -> None:
    run = machine.start({"dryRun": "x" * 10_000})
    assert run.cause == f"dryRun: expected {FLAG}, got string {'x' * 200}"


def test_a_refused_run_is_refused_again_when_it_is_redriven(machine: Machine) -> None:
    refused = machine.start({"dryRun": 1})
    again = machine.redrive(refused)
    assert (again.status, again.error, again.cause) == ("FAILED", "InvalidInput", refused.cause)


@pytest.mark.parametrize(
    ("data", "changed"),
    [
        ({}, {}),
        ({"dryRun": False, "saveCsv": True, "force": True}, {"saveCsv": True, "force": True}),
        ({"dryRun": True, "maxItems": 1}, {"dryRun": True}),
        ({"maxRejectPercent": 0, "maxShrinkPercent": 12.5}, {"maxRejectPercent": 0, "maxShrinkPercent": 12.5}),
        ({"maxRejectPercent": 100}, {"maxRejectPercent": 100}),
    ],
)
def test_what_the_input_leaves_out_is_as_deployed(
    machine: Machine, data: dict[str, Any], changed: dict[str, Any]
) -> None:
    machine.tasks.clear()
    assert machine.start(data).status == "SUCCEEDED"
    (event,) = machine.events("LoadWarehouse")
    deployed = {"dryRun": False, "saveCsv": False, "force": False, "maxRejectPercent": 1, "maxShrinkPercent": 100}
    assert {name: event[name] for name in deployed} == deployed | changed
    assert event["input"] == data


@pytest.mark.parametrize("path", sorted(EVENTS.glob("run_input*.json")), ids=lambda path: path.stem)
def test_a_sample_input_is_taken(machine: Machine, path: Path) -> None:
    assert machine.start(json.loads(path.read_text())).status == "SUCCEEDED"
