"""The runbook has a row for whatever an alert can link to."""

import inspect
import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from demand.cli.app import EXAMPLES
from demand_pipeline import errors
from scripts import runbook
from tests.template.loaded import resources

PAGE = Path("docs/runbook.md").read_text(encoding="utf-8")
ERRORS = [name for name, kind in inspect.getmembers(errors, inspect.isclass) if kind is not errors.PipelineError]
RAISED = [name for name in ERRORS if getattr(errors, name).__module__ == errors.__name__]
NAMED = [name for entry in runbook.EXPLAINED for name in entry.names]
ALARMS = list(resources("AWS::CloudWatch::Alarm"))
ROWS = re.findall(r"^\| (<a id=.+)$", PAGE, re.MULTILINE)
SECTIONS = dict(re.findall(r"^### (\S+)\n\n(.+?)(?=\n##)", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("name", sorted({*RAISED, *NAMED, ClientError.__name__, *ALARMS}))
def test_every_error_and_every_alarm_has_one_row_that_shows_its_name(name: str) -> None:
    assert PAGE.count(f'<a id="{name}"></a>') == 1
    [row] = [row for row in ROWS if f'<a id="{name}"></a>' in row]
    shown = re.sub(r"<.*?>|\(#\w+\)", " ", row.split(" | ")[0])
    assert re.search(rf"(^|[ [])({re.escape(name)}|{runbook.family(name)})([] ]|$)", shown)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: re.findall(r'id="(.+?)"', row)[0])
def test_a_row_links_to_its_section_if_there_is_one(row: str) -> None:
    first = runbook.family(re.findall(r'id="(.+?)"', row)[0])
    assert set(re.findall(r"\]\(#(\w+)\)", row.split(" | ", maxsplit=1)[0])) == (
        {re.sub(r"\W", "", first.lower())} if first in SECTIONS else set()
    )


def test_every_section_below_a_table_belongs_to_one_of_its_rows() -> None:
    rows = {runbook.family(re.findall(r'id="(.+?)"', row)[0]) for row in ROWS}
    assert SECTIONS.keys() - rows == set()
    assert len(SECTIONS) > 30


@pytest.mark.parametrize("name", sorted({runbook.family(alarm) for alarm in ALARMS}))
def test_every_alarm_has_a_section_with_what_to_do_what_is_safe_and_what_then(name: str) -> None:
    assert [SECTIONS[name].count(f"- **{word}**: ") for word in ("Do", "Safe", "Then")] == [1, 1, 1]


def test_every_command_of_demand_exists() -> None:
    named = set(re.findall(r"(?:`|\$ )demand ([a-z]+(?: replay)?)", PAGE))
    assert len(named) > 10
    assert named - EXAMPLES.keys() - {"rejects"} == set()
