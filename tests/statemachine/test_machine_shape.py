"""What holds of the definition as it is written: bounds, retries and names."""

import re

import pytest

from tests.statemachine.harness import DEFINITION, FUNCTIONS, SOURCES, SUBSTITUTIONS, definition
from tests.statemachine.lint import scopes, states

MACHINE = definition()
STATES = states(MACHINE)
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
VERBS = "Check|Describe|Finish|Load|Read|Refresh|Refuse|Scan|Select|Skip|Transform"


def test_every_task_and_the_machine_end_in_time() -> None:
    assert MACHINE["TimeoutSeconds"] == 24 * 3600
    unbounded = [name for name, state in TASKS.items() if not state.get("TimeoutSeconds")]
    assert unbounded == []


def test_a_function_times_out_before_its_state_does() -> None:
    waits = {state["TimeoutSeconds"] for state in TASKS.values() if "lambda" in state["Resource"]}
    assert min(waits) > 900  # what the template gives the functions


def test_nothing_is_caught() -> None:
    assert [name for name, state in STATES.items() if "Catch" in state] == []


def test_only_an_input_that_is_wrong_ends_in_a_fail_state() -> None:
    assert [name for name, state in STATES.items() if state["Type"] == "Fail"] == ["RefuseInput"]


def test_retries_name_what_they_wait_for_and_say_so() -> None:
    for name, state in TASKS.items():
        for retrier in state["Retry"]:
            assert retrier["Comment"].startswith("Waits for "), name
            assert not [error for error in retrier["ErrorEquals"] if error.startswith("States.")], name


def test_retries_grow_spread_out_and_end() -> None:
    # First pause, longest pause, attempts.
    own = {"LockTimeoutError": (60, 600, 6), "DatabaseConnectionError": (10, 60, 3)}
    for name, state in TASKS.items():
        for retrier in state["Retry"]:
            expected = own.get(retrier["ErrorEquals"][0], (2, 60, 6))
            assert tuple(retrier[key] for key in ("IntervalSeconds", "MaxDelaySeconds", "MaxAttempts")) == expected, (
                name
            )
            assert (retrier["BackoffRate"], retrier["JitterStrategy"]) == (2, "FULL"), name


@pytest.mark.parametrize("error", ["LockTimeoutError", "DatabaseConnectionError"])
def test_only_the_load_waits_for_the_database(error: str) -> None:
    waiting = [name for name in TASKS if any(error in r["ErrorEquals"] for r in TASKS[name]["Retry"])]
    assert waiting == ["LoadWarehouse"]


def test_errors_of_functions_are_retried_alike() -> None:
    lambdas = [state for state in TASKS.values() if state["Resource"] == "arn:aws:states:::lambda:invoke"]
    assert len(lambdas) == 9
    assert {tuple(state["Retry"][0]["ErrorEquals"]) for state in lambdas} == {
        (
            "TransientError",
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.TooManyRequestsException",
        )
    }


def test_states_are_named_by_a_verb_and_what_it_does_it_to() -> None:
    names = [name for _, scope in scopes(MACHINE) for name in scope["States"]]
    assert len(names) == len(set(names)) == 36
    assert [name for name in names if not re.fullmatch(rf"({VERBS})([A-Z][a-z]+)*", name)] == []


def test_an_inline_map_asks_for_what_step_functions_gives() -> None:
    maps = [state for state in STATES.values() if state["Type"] == "Map"]
    assert [state["MaxConcurrency"] for state in maps] == [40] * 4
    assert [state["ItemProcessor"]["ProcessorConfig"]["Mode"] for state in maps] == ["INLINE"] * 4


def test_every_state_says_what_it_is_for() -> None:
    silent = [name for name, state in STATES.items() if state["Type"] != "Succeed" and not state.get("Comment")]
    assert silent == []


def test_the_harness_makes_every_substitution_and_no_other() -> None:
    used = set(re.findall(r"\$\{(\w+)\}", DEFINITION.read_text()))
    assert used == set(SUBSTITUTIONS)
    assert len(FUNCTIONS) + len(SOURCES) + 8 == len(used)
