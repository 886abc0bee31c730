"""What a failed run is explained with, and what a redrive of it would do."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from demand.errors import DemandError
from demand.runs import redrive
from demand.runs.execution import Run
from demand.runs.failure import failures, next_commands
from demand.runs.options import OPTIONS
from demand.runs.redrive import Again, plan
from demand.runs.report import Report, report
from demand_pipeline.builders import TABLES
from demand_pipeline.cures import CURES, cure
from tests.demand.test_history import Story

START = datetime(2026, 11, 27, 3, tzinfo=UTC)
RUN = Run(
    name="nightly", arn="arn:nightly", status="FAILED", started=START, stopped=START, input={"tables": ["cases"]}, output=None,
    error="StagingError", cause=None, redrives=0, redriven=None, redrivable=True, redrive_refusal=None,
)  # fmt: skip
REDRIVE, AGAIN = "demand redrive nightly", "demand run --tables cases"


@pytest.mark.parametrize(
    ("error", "commands"),
    [
        ("TransientError", (REDRIVE,)),
        ("StagingError", (AGAIN,)),
        ("StaleRunError", (f"{AGAIN} --force",)),
        ("RejectLimitError", (f"{AGAIN} --max-reject-percent …",)),
        ("ShrinkLimitError", (f"{AGAIN} --max-shrink-percent …",)),
        ("SchemaMismatchError", (REDRIVE, AGAIN)),
        ("Lambda.Unknown", (REDRIVE, AGAIN)),
    ],
)
def test_the_commands_of_a_cure_follow_from_its_action(error: str, commands: tuple[str, ...]) -> None:
    found = cure(error)
    assert found is not None
    assert next_commands(RUN, found.action) == commands


def test_a_limit_that_the_run_was_given_is_to_be_changed_not_repeated() -> None:
    found = cure("RejectLimitError")
    assert found is not None
    run = replace(RUN, input={"maxRejectPercent": 0.1, "saveCsv": True})
    assert next_commands(run, found.action) == ("demand run --save-csv --max-reject-percent …",)


def test_every_cure_leads_to_a_command() -> None:
    assert [entry.names for entry in CURES if not next_commands(RUN, entry.action)] == []
    assert "demand redrive" not in str([next_commands(replace(RUN, redrivable=False), entry.action) for entry in CURES])


def test_the_options_of_a_run_are_those_that_the_state_machine_takes() -> None:
    given = "tables, dryRun, maxItems, saveCsv, force, maxRejectPercent and maxShrinkPercent"
    assert OPTIONS.keys() == set(given.replace(" and ", ", ").split(", "))


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        ("FAILED", "States.DataLimitExceeded", "the list of chunks is larger than 256 KiB"),
        ("TIMED_OUT", None, "the run took longer than a day"),
        ("ABORTED", "Stopped", "somebody stopped the run"),
        ("ABORTED", None, "somebody stopped the run"),
        ("FAILED", "Surprise", "our bug"),
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


def planned(found: Report, *later: Run) -> Any:
    with mock.patch.object(redrive, "list_runs", return_value=later):
        return plan(SimpleNamespace(), found)  # type: ignore[arg-type]  # list_runs alone would use it


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


def test_a_plan_warns_of_a_newer_committed_run_and_of_a_cure_that_is_no_redrive() -> None:
    newer = replace(RUN, name="newer", started=START.replace(hour=4), output={"committed": True, "tables": []})
    dry = replace(newer, name="dry", output={"committed": False, "tables": []})
    warnings = planned(stopped(), dry, newer).warnings
    assert [warning.split(":")[0] for warning in warnings] == [
        "run newer started later and is committed",
        "StagingError needs more than a redrive",
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
