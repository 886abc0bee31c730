"""The linter passes the state machine, and finds each defect it is for."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.statemachine.fakes import FIRST_NAME, LAST_NAME
from tests.statemachine.harness import definition
from tests.statemachine.lint import lint

MACHINE = definition()


def branch(machine: dict[str, Any]) -> dict[str, Any]:
    """The first branch's states."""
    states: dict[str, Any] = machine["States"]["Refresh"]["Branches"][0]["States"]
    return states


def segment(machine: dict[str, Any]) -> dict[str, Any]:
    """The states of the first branch's Map."""
    states: dict[str, Any] = branch(machine)[f"Read{FIRST_NAME}Segments"]["ItemProcessor"]["States"]
    return states


def test_the_state_machine_has_no_defect() -> None:
    assert lint(MACHINE) == []


def dangle_in_map(machine: dict[str, Any]) -> None:
    segment(machine)[f"Scan{FIRST_NAME}"]["Next"] = "Elsewhere"


def dangle_in_choice(machine: dict[str, Any]) -> None:
    branch(machine)[f"Select{FIRST_NAME}"]["Choices"][0]["Next"] = "Describe"


def start_nowhere(machine: dict[str, Any]) -> None:
    machine["States"]["Refresh"]["Branches"][1]["StartAt"] = "Begin"


def leave_the_scope(machine: dict[str, Any]) -> None:
    branch(machine)[f"Describe{FIRST_NAME}"]["Next"] = "LoadWarehouse"


def strand(machine: dict[str, Any]) -> None:
    segment(machine)[f"Check{FIRST_NAME}Left"]["Choices"][0]["Next"] = f"Finish{FIRST_NAME}Segment"
    segment(machine)[f"Transform{FIRST_NAME}"]["Next"] = f"Finish{FIRST_NAME}Segment"


def stop_without_end(machine: dict[str, Any]) -> None:
    del machine["States"]["LoadWarehouse"]["Next"]


def end_and_go_on(machine: dict[str, Any]) -> None:
    segment(machine)[f"Transform{FIRST_NAME}"]["End"] = True


def leave_out_default(machine: dict[str, Any]) -> None:
    del segment(machine)[f"Check{FIRST_NAME}Left"]["Default"]


def use_a_name_twice(machine: dict[str, Any]) -> None:
    states = machine["States"]["Refresh"]["Branches"][-1]["States"]
    states[f"Skip{FIRST_NAME}"] = states.pop(f"Skip{LAST_NAME}")
    states[f"Select{LAST_NAME}"]["Default"] = f"Skip{FIRST_NAME}"


def break_an_expression(machine: dict[str, Any]) -> None:
    segment(machine)[f"Scan{FIRST_NAME}"]["Arguments"]["Payload"]["segment"] = "{% $states.input. %}"


def leave_an_expression_open(machine: dict[str, Any]) -> None:
    machine["States"]["LoadWarehouse"]["Output"] = "{% $states.result.Payload }"


def put_space_before_an_expression(machine: dict[str, Any]) -> None:
    machine["States"]["LoadWarehouse"]["Output"] = " {% $states.result.Payload %}"


def misspell_a_variable(machine: dict[str, Any]) -> None:
    segment(machine)[f"Scan{FIRST_NAME}"]["Arguments"]["Payload"]["totalSegments"] = "{% $segment %}"


def use_a_branch_variable_outside(machine: dict[str, Any]) -> None:
    machine["States"]["LoadWarehouse"]["Arguments"]["Payload"] = {"segments": "{% $segments %}"}


def assign_an_outer_variable(machine: dict[str, Any]) -> None:
    branch(machine)[f"Describe{FIRST_NAME}"]["Assign"]["settings"] = {}


@pytest.mark.parametrize(
    ("break_it", "found"),
    [
        (dangle_in_map, f"Scan{FIRST_NAME}: there is no state 'Elsewhere' to go to"),
        (dangle_in_choice, f"Select{FIRST_NAME}: there is no state 'Describe' to go to"),
        (start_nowhere, "Refresh: there is no state 'Begin' to go to"),
        (leave_the_scope, f"Describe{FIRST_NAME}: there is no state 'LoadWarehouse' to go to"),
        (strand, f"Check{FIRST_NAME}Left: nothing leads here"),
        (stop_without_end, "LoadWarehouse: neither ends nor goes on"),
        (end_and_go_on, f"Transform{FIRST_NAME}: ends, and goes on as well"),
        (leave_out_default, f"Check{FIRST_NAME}Left: neither ends nor goes on"),
        (use_a_name_twice, f"Skip{FIRST_NAME}: more than one state has this name"),
        (break_an_expression, f"Scan{FIRST_NAME}.Arguments.Payload.segment: "),
        (leave_an_expression_open, "LoadWarehouse.Output: an expression begins with {% and ends with %}"),
        (put_space_before_an_expression, "LoadWarehouse.Output: an expression begins with {% and ends with %}"),
        (misspell_a_variable, f"Scan{FIRST_NAME}.Arguments.Payload.totalSegments: nothing assigns $segment"),
        (use_a_branch_variable_outside, "LoadWarehouse.Arguments.Payload.segments: nothing assigns $segments"),
        (assign_an_outer_variable, "Refresh: $settings belongs to an outer scope"),
    ],
)
def test_a_seeded_defect_is_found(break_it: Callable[[dict[str, Any]], None], found: str) -> None:
    machine = deepcopy(MACHINE)
    break_it(machine)
    assert [defect for defect in lint(machine) if found in defect]
