"""The title of a report and its summary: what happened, and what analysts see."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demand.cli.output import duration
from demand.report.facts import Facts
from demand.report.headline import headline
from demand.report.summary import summary
from demand.runs.state import InWarehouse, State
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.operating.status import TableStatus
from demand_pipeline.cures import cure_of_run
from tests.support.report_facts import (
    FIRST,
    dry_facts,
    facts,
    failed_facts,
    over_limit_facts,
    rolled_back_facts,
    run,
    running_facts,
    shrunk_facts,
)
from tests.support.report_page import page

YESTERDAY = "; analysts see the rows of 26 Nov 03:00 UTC"


def shrink_limit_facts() -> Facts:
    made = over_limit_facts()
    error: dict[str, Any] = {"error": "ShrinkLimitError", "cause": "fewer"}
    tried = [*made.attempts[:-1], replace(made.attempts[-1], **error)]
    tried = [replace(each, answer={**each.answer, "staged": 700}) if each.table == FIRST else each for each in tried]
    return facts(run(status="FAILED", output=None, **error), tried)


def meaning(error: str) -> str:
    text = cure_of_run(error).meaning.replace("`", "")
    return text[0].upper() + text[1:]


def unlike(**changes: Any) -> Facts:
    return replace(facts(), **changes)


HEADLINES: list[tuple[str, Facts, str]] = [
    ("failed", over_limit_facts(), f"44 of 1,000 items of {FIRST} did not fit, the limit is 1 %{YESTERDAY}"),
    (
        "failed",
        shrink_limit_facts(),
        f"Table {FIRST} would shrink from 1,000 to 700 rows, the limit is 20 %{YESTERDAY}",
    ),
    (
        "failed",
        replace(failed_facts("LockTimeoutError"), warehouse=None),
        f"{meaning('LockTimeoutError')}; what analysts see is unknown",
    ),
    ("failed", failed_facts("Lambda.New"), f"{meaning('Lambda.New')} (Lambda.New){YESTERDAY}"),
    ("failed", facts(run(status="TIMED_OUT", output=None), []), f"{meaning('States.Timeout')}{YESTERDAY}"),
    ("over", rolled_back_facts(), f"The run was rolled back at 03:30 UTC{YESTERDAY}"),
    ("over", shrunk_facts(), f"Table {FIRST} shrank: 700 rows, 1,000 before, 30% fewer; analysts see the rows of this run"),
    ("over", unlike(state=InWarehouse(State.UNKNOWN, reason="no answer")), "4,000 rows of 4 tables were loaded, but the warehouse could not be asked; analysts see the rows of this run"),
    ("over", unlike(state=InWarehouse(State.NOT_COMMITTED)), "4,000 rows of 4 tables were loaded, but are not in the warehouse; analysts see the rows of this run"),
    ("running", running_facts(), f"Running for 1 min 0 s, 0 of 4 tables are read{YESTERDAY}"),
    ("dry", dry_facts(), f"Dry run: 4,000 rows of 4 tables were counted and rolled back{YESTERDAY}"),
    ("succeeded", facts(), "4,000 rows of 4 tables are committed; analysts see the rows of this run"),
    ("succeeded", unlike(state=InWarehouse(State.SUPERSEDED), warehouse=(TableStatus(FIRST, None, "later", "arn:later", None, "2026-11-27T03:59:00+00:00"),)), "4,000 rows of 4 tables were committed, and later replaced; analysts see the rows of 03:59 UTC"),
    ("succeeded", unlike(warehouse=()), "4,000 rows of 4 tables are committed; analysts see no rows yet"),
]  # fmt: skip


@pytest.mark.parametrize(("tone", "made", "title"), HEADLINES)
def test_the_title_says_what_happened_and_what_analysts_see_on_the_page_and_in_a_chat(
    tone: str, made: Facts, title: str
) -> None:
    found = headline(made, duration)
    shown = page(made)
    lines = summary(made, duration)
    assert (found.tone, found.title) == (tone, title)
    assert len(lines) == 5
    assert lines[0] == title
    assert lines[1] == f"{found.run}. {found.text}"
    for told in (title, found.text, found.run):
        assert told in shown.text


def test_a_summary_names_rows_reasons_and_the_next_command() -> None:
    tables = ", ".join(f"{name} 1,000 (10 rejected)" for name in TABLES)
    name = facts().run.name
    assert summary(facts(), duration)[2:] == (
        f"Rows: {tables}",
        "Rejects: due_date: expected date (cases, 10 items)",
        f"Next: demand rejects {name}",
    )
    read, why, following = summary(over_limit_facts(), duration)[2:]
    assert read.startswith(f"Items read: {FIRST} 1,000 (44 rejected), ")
    assert why == f"Why: due_date: expected date ({FIRST}, 40 items); net_amount: expected numeric ({FIRST}, 4 items)"
    assert following.endswith(f": demand rejects {name}, then demand run")
    assert summary(failed_facts(), duration)[3] == "Why: runs/1/raw/cases/0: expected an object, found none"


@pytest.mark.parametrize("given", ["x\ny", "x\u2028y", "x\r\n\r\ny"])
def test_a_summary_has_five_lines_whatever_an_error_says(given: str) -> None:
    lines = summary(failed_facts("Some.Error", given), duration)
    assert len("\n".join(lines).splitlines()) == 5
    assert lines[3] == "Why: x y"


def test_who_rolled_back_is_told_without_the_account() -> None:
    text = page(rolled_back_facts()).text
    assert "said to be by user/ana, because: the collector wrote test data." in text
    assert "111122223333" not in text


def test_a_title_names_two_tables_over_the_limit_and_counts_the_others() -> None:
    made = over_limit_facts()
    tried = [replace(each, answer={**each.answer, "rejected": 44}) for each in made.attempts]
    found = headline(facts(made.run, tried), duration).title
    first, second, *others = TABLES
    assert found == (
        f"44 of 1,000 items of {first}, 44 of 1,000 items of {second} and items of {len(others)} more tables did not fit, "
        f"the limit is 1 %{YESTERDAY}"
    )


def test_the_summary_in_the_docs_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs/demand.md").read_text(encoding="utf-8")
    title, outcome, *counts, following = summary(over_limit_facts(), duration)
    assert f"```\n{title}\n{outcome.partition('. ')[0]}. " in page
    assert "\n".join([*counts, "Next: "]) in page
    assert following.rpartition(": ")[2] in page
