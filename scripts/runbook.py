"""Generates the regions of docs/runbook.md: a heading per error and per alarm, each with an anchor for links in alerts.

The meaning of an error comes from `demand_pipeline.cures`, the meaning of an alarm from its description in
template.yaml.
"""

import re
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

from demand.cost import Measured, Run, TableRun
from demand_pipeline.builders import TABLES
from demand_pipeline.cure import READING, Cure, Then
from demand_pipeline.cures import QUESTION_CURES, RUN_CURES, cure_of_run
from demand_pipeline.tables import camel_case
from scripts.cost_page import duration
from scripts.dashboard import FUNCTIONS, LOADING
from scripts.pages import linked
from scripts.tables import markdown

TEMPLATE = Path("template.yaml")
_SIZES = (1, 10, 100, 1000)  # GB
# The end of an alarm's description, which the runbook omits: it need not link to itself.
_LINK = re.compile(r"\s*Runbook: \S+$")

_SAFE = {
    (Then.REDRIVE,): "a redrive, as often as you like: it repeats only what failed",
    (Then.NEW_RUN,): "a new run, as often as you like; a redrive would fail in the same way",
    (Then.NEW_INPUT,): "a new run, as often as you like; a redrive would fail in the same way",
    (Then.REDRIVE, Then.NEW_RUN): "both: neither changes a table before its commit",
    (Then.NOTHING,): "waiting: the warehouse is unchanged",
}
_COMMANDS = {
    Then.REJECTS: "`demand rejects RUN`",
    Then.LOGS: "`demand logs RUN --errors`",
    Then.REDRIVE: "`demand redrive RUN`",
    Then.NEW_RUN: "`demand run`",
    Then.NEW_INPUT: "`demand run` with the right options",
    Then.NOTHING: "nothing",
}


def error(name: str) -> str:
    """Return the section of an error: its meaning, the instruction, the safe steps, and the command to continue with.

    Raises KeyError if there is no cure with this name.
    """
    entry = next((entry for entry in (*RUN_CURES, *QUESTION_CURES) if name in entry.names), None)
    if entry is None:
        raise KeyError(name)
    return "\n".join([*_heading(entry.names), *_text(entry)])


def alarm(*names: str) -> str:
    """Return the section of an alarm, or of several alarms with the same meaning for different tables.

    Raises KeyError if the template does not contain the alarm.
    """
    return "\n".join([*_heading(names), _description(names[0])])


def table_alarms(prefix: str) -> str:
    """Return the section of the alarms that exist once per table: their names are the prefix and the table's name."""
    text = alarm(*(f"{prefix}{camel_case(table)}Alarm" for table in TABLES))
    return re.sub(rf"\b{next(iter(TABLES))}\b", "the table", text)


def throttle_alarms() -> str:
    """Return the section of the alarms on throttled functions."""
    return alarm(*(f"Throttled{name}Alarm" for name in FUNCTIONS))


def slow_alarms() -> str:
    """Return the section of the alarms on functions that come close to their time limit."""
    return alarm(*(f"Slow{name}Alarm" for name in LOADING))


def others() -> str:
    """Return the instructions for errors without a section: other errors of AWS, and exceptions of Python."""
    return "\n\n".join(["\n".join(_text(cure_of_run(name))) for name in ("Any.other", "AnyOther")])


def sizes() -> str:
    """Return a table of how a run divides tables of several sizes with the template's defaults, and of its times."""
    measured = Measured.load()
    runs = [Run((TableRun(round(size * 1e9 / measured.stored_bytes), size * 1e9, measured),)) for size in _SIZES]
    rows = [
        (
            f"{run.table_bytes / 1e9:,.0f} GB",
            f"{run.segments}",
            f"{run.chunks}",
            duration(run.seconds - run.load_seconds),
            duration(run.load_seconds),
        )
        for run in runs
    ]
    return markdown(("table", "segments", "chunks", "scan and transform", "load"), rows)


def _text(entry: Cure) -> list[str]:
    first = [_COMMANDS[then] for then in entry.then if then in READING]
    after = tuple(then for then in entry.then if then not in READING)
    return [
        _sentence(entry.meaning),
        "",
        f"- **Do**: {linked(entry.action)}.",
        f"- **Safe**: {_SAFE[after]}.",
        f"- **Then**: {', then '.join([*first, ' or '.join([_COMMANDS[then] for then in after])])}.",
    ]


def _heading(names: tuple[str, ...]) -> list[str]:
    """Return a heading, with an anchor for each name in the spelling of Step Functions and CloudWatch.

    EventBridge uses the name in the link unchanged, so the heading's own anchor, in lower case, would not match.
    """
    return ["\n".join(f'<a id="{name}"></a>' for name in names), "", f"### {', '.join(names)}", ""]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _description(name: str) -> str:
    text = _alarms()[name]["AlarmDescription"]
    text = _LINK.sub("", text["Fn::Sub"] if isinstance(text, dict) else text)
    # One text serves all tables.
    return re.sub(r"\$\{(\w+)\}", r"`\1`", text)


def _alarms() -> dict[str, dict[str, Any]]:
    template = cfn_yaml.load(str(TEMPLATE))
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
