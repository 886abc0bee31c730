"""Every error that a run or a question can fail with has an entry, or is told where to look, without a guess."""

import inspect
import json
import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from demand_pipeline import errors
from demand_pipeline.cure import READING, Cure, Then
from demand_pipeline.cures import PASSING, QUESTION_CURES, RUN_CURES, cure_of_question, cure_of_run

DEFINITION = Path("statemachine/demand_pipeline.asl.json").read_text(encoding="utf-8")
RETRIED = {
    name for each in re.findall(r'"ErrorEquals": \[(.*?)\]', DEFINITION, re.DOTALL) for name in json.loads(f"[{each}]")
}
# Roots that are never raised themselves.
ABSTRACT = {errors.PipelineError}


def shapes(service: str, operation: str) -> list[str]:
    """The names under which Step Functions shows the errors that a call can end with."""
    names = [shape.name for shape in Session().get_service_model(service).operation_model(operation).error_shapes]
    prefix = {"lambda": "Lambda", "dynamodb": "DynamoDb"}[service]
    return [f"{prefix}.{name.removesuffix('Exception')}Exception" for name in names]


# Lambda: what its runtimes and sandboxes report; Step Functions: the names of its own errors.
OF_AWS = [
    *shapes("lambda", "Invoke"),
    *shapes("dynamodb", "DescribeTable"),
    *[f"Lambda.{name}" for name in ("Unknown", "AWSLambdaException", "SdkClientException", "NewException")],
    "Lambda.ClientExecutionTimeoutException",
    *["DynamoDb.DynamoDbException", "DynamoDb.SdkClientException"],
    *[f"Runtime.{name}" for name in ("ExitError", "OutOfMemory", "ImportModuleError", "HandlerNotFound", "Unknown")],
    *[f"Runtime.{name}" for name in ("UserCodeSyntaxError", "InvalidEntrypoint", "MarshalError", "UnmarshalError")],
    *["Sandbox.Timedout", "Sandbox.Failure", "Extension.Crash", "Extension.InitError", "Function.ResponseSizeTooLarge"],
    *[f"States.{name}" for name in ("Timeout", "HeartbeatTimeout", "TaskFailed", "Permissions", "DataLimitExceeded")],
    *[f"States.{name}" for name in ("QueryEvaluationError", "Runtime", "NoChoiceMatched", "BranchFailed")],
    *["States.ExceedToleratedFailureThreshold", "States.IntrinsicFailure", "States.ItemReaderFailed"],
]
# What a retry of the state machine would not help, but a redrive, which starts all timeouts again, does.
OUT_OF_TIME = {"States.Timeout"}


def test_the_errors_that_are_explained_are_those_that_are_raised() -> None:
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    ours = {name for entry in RUN_CURES + QUESTION_CURES for name in entry.names if "." not in name}
    others = {json.loads(DEFINITION)["States"]["RefuseInput"]["Error"], ClientError.__name__}
    assert ours == {kind.__name__ for kind in classes - ABSTRACT} | others


@pytest.mark.parametrize("cures", [RUN_CURES, QUESTION_CURES], ids=["runs", "questions"])
def test_a_name_has_one_entry(cures: tuple[Cure, ...]) -> None:
    names = [name for entry in cures for name in entry.names]
    assert len(names) == len(set(names))


def test_every_error_that_is_retried_is_explained_for_when_the_retries_do_not_help() -> None:
    assert len(RETRIED) > 10
    assert {name for name in RETRIED if name not in cure_of_run(name).names} == set()


@pytest.mark.parametrize("name", OF_AWS)
def test_an_error_of_aws_is_called_transient_only_where_the_state_machine_takes_it_for_that(name: str) -> None:
    bare = [way for way in cure_of_run(name).ways if way.then is Then.REDRIVE and not way.fix]
    looks_first = set(READING) & set(cure_of_run(name).then)
    assert not bare or looks_first or name in RETRIED | OUT_OF_TIME


# Retried, but more often a missing right, a leak of memory or a full subnet: somebody should know at once.
NOT_PASSING = {
    "DynamoDb.DynamoDbException",
    "Lambda.AWSLambdaException",
    "Lambda.ENILimitReachedException",
    "Lambda.SubnetIPAddressLimitReachedException",
    "Runtime.ExitError",
}


def test_an_error_is_redriven_automatically_if_the_state_machine_waits_for_it_or_a_redrive_alone_helps() -> None:
    assert set(PASSING) == (RETRIED | OUT_OF_TIME) - NOT_PASSING
    bare = {name for entry in RUN_CURES if entry.action == "redrive the run" for name in entry.names}
    assert bare - set(PASSING) == set()


@pytest.mark.parametrize("name", [*OF_AWS, "ZeroDivisionError", ""])
def test_an_error_without_an_entry_leads_to_its_cause_and_to_no_guess(name: str) -> None:
    for entry in (cure_of_run(name), cure_of_question(name)):
        assert entry.meaning
        if name not in entry.names:
            assert entry.then[0] in {*READING, Then.REPEAT}
            assert all(way.fix for way in entry.ways if way.then not in READING)
            assert ("bug" in entry.meaning) == ("." not in name)


@pytest.mark.parametrize("name", ["Lambda.AWSLambdaException", "DynamoDb.DynamoDbException"])
def test_a_name_that_a_missing_right_shares_with_other_failures_says_so(name: str) -> None:
    assert re.search("not allowed", cure_of_run(name).meaning)
    assert "policy" in cure_of_run(name).action


@pytest.mark.parametrize("entry", RUN_CURES, ids=lambda entry: entry.names[0])
def test_what_to_do_is_a_redrive_only_where_a_redrive_helps(entry: Cure) -> None:
    assert set(entry.then) - {*READING} <= {Then.REDRIVE, Then.NEW_RUN, Then.NEW_INPUT, Then.NOTHING}
    # A run keeps the definition that it started with: what is in it changes with the next run only.
    if any(f"`{name}`" in entry.action for name in re.findall(r"\$\{(\w+)\}", DEFINITION)):
        assert Then.NEW_RUN in entry.then


@pytest.mark.parametrize("entry", QUESTION_CURES, ids=lambda entry: entry.names[0])
def test_a_question_is_repeated_never_redriven(entry: Cure) -> None:
    assert entry.then in {(Then.REPEAT,), (Then.NOTHING,)}
    assert not re.search("redrive|new run|force", entry.action)


def test_nothing_advises_to_load_older_rows_over_newer_ones() -> None:
    assert "force" not in str(RUN_CURES + QUESTION_CURES)
    assert cure_of_run("StaleRunError").then == (Then.NOTHING,)


def test_an_instruction_names_the_fix_what_follows_and_the_fields_to_choose() -> None:
    assert cure_of_run("ShrinkLimitError").action == (
        "correct the source, then start a new run; or confirm that the source is right, "
        "then start a new run with `maxShrinkPercent`"
    )


@pytest.mark.parametrize(
    "page",
    sorted({page for entry in RUN_CURES + QUESTION_CURES for page in re.findall(r"docs/[\w.-]+", entry.action)}),
)
def test_every_page_exists(page: str) -> None:
    assert Path(page).is_file()
