"""Properties of the definition's text: bounds, retries and names."""

import re

import pytest

from demand_pipeline.builders import TABLES
from tests.statemachine.harness import DEFINITION, SUBSTITUTIONS, definition
from tests.statemachine.lint import scopes, states

MACHINE = definition()
STATES = states(MACHINE)
LAMBDA = "arn:aws:states:::lambda:invoke"
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
VERBS = "Check|Choose|Copy|Describe|Finish|Load|Prepare|Read|Refresh|Refuse|Scan|Select|Skip|Transform|Wait"


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


# First pause, growth, longest pause, attempts, spread: of each retrier, by its first error.
PATIENCE = {
    "DynamoDb.InternalServerErrorException": (2, 2, 60, 6, "FULL"),
    "DynamoDb.DynamoDbException": (2, 2, 60, 3, "FULL"),
    "TransientError": (2, 2, 60, 6, "FULL"),
    "Lambda.TooManyRequestsException": (15, 2, 600, 100, "FULL"),
    "Sandbox.Timedout": (2, 1, None, 1, None),
    "Runtime.ExitError": (2, 1, None, 1, None),
    "Lambda.ResourceNotReadyException": (30, 1, None, 10, None),
    "DatabaseConnectionError": (10, 2, 60, 3, "FULL"),
    "LockTimeoutError": (60, 2, 600, 6, "FULL"),
}


def test_retries_are_as_patient_as_what_they_wait_for() -> None:
    fields = ("IntervalSeconds", "BackoffRate", "MaxDelaySeconds", "MaxAttempts", "JitterStrategy")
    for name, state in TASKS.items():
        for retrier in state["Retry"]:
            assert tuple(map(retrier.get, fields)) == PATIENCE[retrier["ErrorEquals"][0]], name


def test_an_error_is_retried_by_one_retrier_of_a_state() -> None:
    for name, state in TASKS.items():
        errors = [error for retrier in state["Retry"] for error in retrier["ErrorEquals"]]
        assert len(errors) == len(set(errors)), name


@pytest.mark.parametrize(
    "error",
    [
        "TransientError",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
        "Runtime.ExitError",
    ],
)
def test_every_function_is_retried_when_it_or_lambda_is_busy_and_when_it_crashed(error: str) -> None:
    assert retrying(error) == [name for name, state in TASKS.items() if state["Resource"] == LAMBDA]


VPC = ("ResourceNotReady", "ENINotReady", "ENILimitReached", "SubnetIPAddressLimitReached", "EC2Throttled")


@pytest.mark.parametrize(
    "error", ["LockTimeoutError", "DatabaseConnectionError", *(f"Lambda.{name}Exception" for name in VPC)]
)
def test_only_what_connects_to_the_database_waits_for_it_and_for_its_vpc(error: str) -> None:
    assert sorted(retrying(error)) == ["CopyChunk", "LoadWarehouse", "PrepareLoad"]


def test_what_works_on_one_chunk_and_ran_out_of_its_time_is_tried_once_more() -> None:
    again = retrying("Sandbox.Timedout")
    assert again == [name for name in TASKS if name.startswith(("Scan", "Transform", "Copy"))]


def test_no_arn_names_a_partition() -> None:
    """AWS: in GovCloud and in China an ARN begins with another word."""
    text = DEFINITION.read_text()
    assert "arn:aws" not in text
    assert text.count("arn:${Partition}:states:::") == len(TASKS)


def retrying(error: str) -> list[str]:
    return [name for name in TASKS if any(error in retrier["ErrorEquals"] for retrier in TASKS[name]["Retry"])]


def test_states_are_named_by_a_verb_and_what_it_does_it_to() -> None:
    names = [name for _, scope in scopes(MACHINE) for name in scope["States"]]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(rf"({VERBS})([A-Z][a-z]+)*", name)] == []


def test_a_table_and_the_copying_use_as_many_functions_at_once_as_the_stack_allows() -> None:
    maps = [state for state in STATES.values() if state["Type"] == "Map"]
    assert sorted(state["MaxConcurrency"] for state in maps) == ["{% $functionLimit %}"] * len(TABLES) + ["{% 4 %}"]
    assert {state["ItemProcessor"]["ProcessorConfig"]["Mode"] for state in maps} == {"INLINE"}


def test_every_state_says_what_it_is_for() -> None:
    silent = [name for name, state in STATES.items() if state["Type"] != "Succeed" and not state.get("Comment")]
    assert silent == []


def test_the_harness_makes_every_substitution_and_no_other() -> None:
    used = set(re.findall(r"\$\{(\w+)\}", DEFINITION.read_text()))
    assert used == set(SUBSTITUTIONS)
