"""The runbook has a heading for whatever an alert can link to."""

import inspect
import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from demand.cli.app import EXAMPLES
from demand_pipeline import errors
from demand_pipeline.cures import QUESTION_CURES, RUN_CURES
from scripts import runbook
from tests.template.loaded import resources

PAGE = Path("docs/runbook.md").read_text(encoding="utf-8")
ERRORS = [name for name, kind in inspect.getmembers(errors, inspect.isclass) if kind is not errors.PipelineError]
RAISED = [name for name in ERRORS if getattr(errors, name).__module__ == errors.__name__]
# A question that fails as a run does has no heading of its own.
EXPLAINED = [*RUN_CURES, *[entry for entry in QUESTION_CURES if "RollbackError" in entry.names]]
NAMED = [name for entry in EXPLAINED for name in entry.names]
ALARMS = list(resources("AWS::CloudWatch::Alarm"))
ANCHORED = r'((?:<a id="[\w.]+"></a>\n)+)\n### (.+)\n'


def sections() -> dict[str, str]:
    """The text below a heading, by each of its anchors."""
    parts = re.split(ANCHORED, PAGE)
    return {
        name: re.split(r"^##+ ", text, flags=re.MULTILINE)[0]
        for anchors, text in zip(parts[1::3], parts[3::3], strict=True)
        for name in re.findall('id="(.+?)"', anchors)
    }


@pytest.mark.parametrize("name", sorted({*RAISED, *NAMED, ClientError.__name__, *ALARMS}))
def test_every_error_and_every_alarm_has_a_heading_that_says_what_to_do_and_what_is_safe(name: str) -> None:
    assert PAGE.count(f'<a id="{name}"></a>') == 1
    assert any(name in heading.split(", ") for _, heading in re.findall(ANCHORED, PAGE))
    text = sections()[name]
    assert [text.count(f"- **{word}**: ") for word in ("Do", "Safe", "Then")] == [1, 1, 1]


def test_every_entry_of_the_cures_is_on_the_page_once() -> None:
    assert [PAGE.count(f"### {', '.join(entry.names)}\n") for entry in EXPLAINED] == [1] * len(EXPLAINED)


def test_a_region_of_no_error_or_alarm_is_refused() -> None:
    with pytest.raises(KeyError):
        runbook.error("Lambda.NewException")
    with pytest.raises(KeyError):
        runbook.alarm("NoSuchAlarm")


# Of the strategy that keeps the rows of the run before.
NOT_YET = {"diff", "rollback"}


def test_every_command_of_demand_exists() -> None:
    named = set(re.findall(r"(?:`|\$ )demand ([a-z]+(?: replay)?)", PAGE))
    assert len(named) > 10
    assert named - NOT_YET - EXAMPLES.keys() - {"rejects"} == set()
