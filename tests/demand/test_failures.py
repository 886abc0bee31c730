"""The explanation of a failed run, and the plan of its redrive."""

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from typer.main import get_command

from demand.cli.app import app
from demand.errors import DemandError, named_error
from demand.runs import redrive
from demand.runs.execution import Run
from demand.runs.failure import Failure, failures
from demand.runs.options import OPTIONS, wanted_tables
from demand.runs.redrive import Again, plan
from demand.runs.report import Report, report
from demand.runs.state import InWarehouse, State
from demand_pipeline.builders import TABLES
from demand_pipeline.cures import RUN_CURES
from tests.demand.test_history import Story

START = datetime(2026, 11, 27, 3, tzinfo=UTC)
RUN = Run(
    name="nightly", arn="arn:nightly", status="FAILED", started=START, stopped=START, input={"tables": ["cases"]}, output=None,
    error="StagingError", cause=None, redrives=0, redriven=None, redrivable=True, redrive_refusal=None,
)  # fmt: skip
REDRIVE, AGAIN = "demand redrive nightly", "demand run --tables cases"


def failure_of(error: str, **changes: Any) -> Failure:
    [failure] = failures(replace(RUN, error=error, **changes), [])
    return failure


@pytest.mark.parametrize(
    ("error", "first", "commands"),
    [
        ("TransientError", (), (REDRIVE,)),
        ("StagingError", (), (AGAIN,)),
        ("StaleRunError", (), ()),
        ("InvalidInput", (), ()),
        ("RejectLimitError", ("demand rejects nightly",), (AGAIN,)),
        ("ShrinkLimitError", (), (AGAIN,)),
        ("SchemaMismatchError", (), (REDRIVE, AGAIN)),
        ("Lambda.Unknown", ("demand logs nightly --errors",), (REDRIVE,)),
        ("Surprise", ("demand logs nightly --errors",), (REDRIVE, AGAIN)),
    ],
)
def test_the_commands_of_a_failure_are_those_of_its_cure(
    error: str, first: tuple[str, ...], commands: tuple[str, ...]
) -> None:
    assert (failure_of(error).first, failure_of(error).next) == (first, commands)


@pytest.mark.parametrize(
    ("error", "limit"), [("RejectLimitError", "maxRejectPercent"), ("ShrinkLimitError", "maxShrinkPercent")]
)
def test_no_command_repeats_or_drops_a_limit_that_a_person_must_decide_on(error: str, limit: str) -> None:
    assert failure_of(error, input={limit: 0.1}).next == ()
    assert "new run" in failure_of(error, input={limit: 0.1}).action


@pytest.mark.parametrize("error", [*(name for entry in RUN_CURES for name in entry.names), "Surprise"])
def test_every_command_of_a_failure_is_complete_and_one_that_demand_takes(error: str) -> None:
    for redrivable in (True, False):
        failure = failure_of(
            error, redrivable=redrivable, input={"tables": ["cases", "audit"], "maxRejectPercent": 0.1}
        )
        assert failure.then
        for line in (*failure.first, *failure.next):
            parses(line)
        assert redrivable or "demand redrive" not in str(failure.next)


@pytest.mark.parametrize(
    "given",
    [
        {"tables": ["cases;touch x;#$(id)"]}, {"tables": "cases"}, {"tables": []}, {"tables": [["cases"], {}]},
        {"tables": 1}, {"tables": ["cases"], "dryrun": True}, {"maxItems": "$(id)"}, {"force": None}, {"input": [1]},
    ],
)  # fmt: skip
def test_no_command_and_no_list_of_tables_is_made_of_an_input_that_is_refused(given: dict[str, Any]) -> None:
    for error in ("InvalidInput", "Surprise", "States.Runtime"):
        assert "demand run" not in str(failure_of(error, input=given).next)
    assert wanted_tables(given) == list(TABLES)


@pytest.mark.parametrize("hostile", ["cases;touch x;#$(id)", "a'b", '"', "a b", "\n", "*"])
def test_a_command_keeps_whatever_it_is_made_of_in_one_word(hostile: str) -> None:
    failure = failure_of("Surprise", name=hostile, input={"saveCsv": True})
    words = [shlex.split(line) for line in (*failure.first, *failure.next)]
    assert words == [
        ["demand", "logs", hostile, "--errors"],
        ["demand", "redrive", hostile],
        ["demand", "run", "--save-csv"],
    ]


def parses(line: str) -> None:
    """The command's parser takes the line; nothing is run."""
    program, name, *words = shlex.split(line)
    assert program == "demand"
    root: Any = get_command(app)
    root.commands[name].make_context(name, words).close()


def test_the_options_of_a_run_are_those_that_the_state_machine_takes() -> None:
    given = "tables, dryRun, maxItems, saveCsv, force, maxRejectPercent and maxShrinkPercent"
    assert OPTIONS.keys() == set(given.replace(" and ", ", ").split(", "))


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        ("FAILED", "States.DataLimitExceeded", "the list of chunks is larger than 256 KiB"),
        ("TIMED_OUT", None, "the run took longer than a day"),
        ("ABORTED", "Stopped", "the run was stopped by hand"),
        ("ABORTED", None, "the run was stopped by hand"),
        ("FAILED", "Surprise", "probably a bug"),
    ],
)
def test_a_run_that_no_task_failed_has_an_error_all_the_same(status: str, error: str | None, told: str) -> None:
    [failure] = failures(replace(RUN, status=status, error=error), [])
    assert told in failure.meaning
    assert failure.place == "the run"


def stopped() -> Report:
    """Of cases' four segments one is done, one failed, one was aborted and one was not begun; metadata has not begun."""
    story = Story()
    story.transform("cases", 0, story.scan("cases", 0, 4))
    scanned = story.scan("cases", 1, 4)
    running = story.schedule(story.enter("ScanCases"), table="cases", segment=2, totalSegments=4, chunk=0)
    begun = story.schedule(
        story.enter("TransformCases", scanned), table="cases", segment=1, chunk=0, raw={"key": "raw"}
    )
    story.fail(begun, "StagingError")
    story.add("TaskStateAborted", running)
    story.add("ExecutionFailed")
    return report(replace(RUN, input={"tables": ["cases", "metadata"]}), story.tasks)


def planned(found: Report, *later: Run, state: State = State.NOT_COMMITTED) -> Any:
    with mock.patch.object(redrive, "list_runs", return_value=later):
        return plan(SimpleNamespace(), found, InWarehouse(state))  # type: ignore[arg-type]  # list_runs alone would use it


def test_a_plan_keeps_what_is_done_and_names_what_runs_again() -> None:
    found = planned(stopped())
    assert found.tables == (
        Again("cases", kept=(0,), again=(1, 2), first_time=1, kept_items=10),
        Again("metadata", kept=(), again=(), first_time=None, kept_items=0),
    )
    assert found.load == "runs for the first time, when all tables are staged"


def test_after_a_data_limit_nothing_is_kept() -> None:
    limited = stopped()
    found = planned(replace(limited, run=replace(limited.run, error="States.DataLimitExceeded")))
    assert (found.tables[0].kept, found.tables[0].again) == ((), (0, 1, 2))


NEWER = replace(RUN, name="newer", started=START.replace(hour=4), output={"committed": True, "tables": []})


@pytest.mark.parametrize(
    ("state", "warned"),
    [
        (State.COMMITTED, "is already committed: the load changes nothing"),
        (State.SUPERSEDED, "is already committed: the load changes nothing"),
        (State.ROLLED_BACK, "was rolled back, so the load would fail with RunRolledBackError"),
    ],
)
def test_a_plan_of_a_run_that_failed_after_its_commit_warns_of_that_and_not_of_a_newer_run(
    state: State, warned: str
) -> None:
    [warning] = planned(stopped(), NEWER, state=state).warnings
    assert warned in warning


def test_a_plan_warns_of_a_newer_committed_run_and_of_a_cure_that_is_no_redrive() -> None:
    dry = replace(NEWER, name="dry", output={"committed": False, "tables": []})
    warnings = planned(stopped(), dry, NEWER).warnings
    assert [warning.split(":")[0] for warning in warnings] == [
        "run newer started later and is already committed, so the load would fail with StaleRunError",
        "a redrive does not help after StagingError",
    ]


def test_a_run_that_cannot_be_redriven_says_why_as_aws_does() -> None:
    late = stopped()
    with pytest.raises(DemandError, match="cannot be redriven: Execution redrivable period exceeded"):
        planned(
            replace(late, run=replace(RUN, redrivable=False, redrive_refusal="Execution redrivable period exceeded"))
        )


def test_every_table_of_a_run_without_input_is_in_the_plan() -> None:
    whole = stopped()
    found = planned(replace(whole, run=replace(whole.run, input={})))
    assert [entry.table for entry in found.tables] == list(TABLES)


@pytest.mark.parametrize("error", ["LockTimeoutError", "DatabaseConnectionError", "Runtime.ExitError", "Surprise"])
def test_a_question_that_fails_is_to_be_repeated_not_redriven(error: str) -> None:
    hint = named_error(error, "it failed").hint
    assert hint.endswith("then repeat the command")
    assert not re.search("redrive|`", hint)
