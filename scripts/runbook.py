"""The regions of docs/runbook.md: a heading per error and per alarm, each with an anchor that alerts link to.

What an error means comes from `demand_pipeline.cures`, what an alarm means from its description in template.yaml.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

from demand.cost import Measured, Run, TableRun
from demand_pipeline.builders import TABLES
from demand_pipeline.cures import OTHERS, Cure, cure
from demand_pipeline.tables import camel_case
from scripts.cost_page import duration
from scripts.pages import linked
from scripts.tables import markdown

TEMPLATE = Path("template.yaml")
RETRIERS = Path("statemachine/retriers.json")
_SIZES = (1, 10, 100, 1000)  # GB
# How an alarm's description ends; the runbook need not link itself.
_LINK = re.compile(r"\s*Runbook: \S+$")

_REDRIVE = ("a redrive, as often as you like: it repeats only what failed", "`demand redrive RUN`")
_NEW_RUN = ("a new run, as often as you like; a redrive would fail in the same way", "`demand run`")
_EITHER = (
    "both: neither changes a table before its commit",
    "`demand redrive RUN` or `demand run`, as said above",
)
_NOTHING = ("to do nothing: the warehouse is newer than this run", "nothing, or `demand run --force`")


def error(name: str) -> str:
    """The heading of an error: what it means, what to do, what is safe, and the command that goes on.

    Raises KeyError if there is no cure of that name.
    """
    entry = cure(name)
    if entry is None or name not in entry.names:
        raise KeyError(name)
    safe, command = _next(entry)
    return "\n".join(
        [
            *_heading(entry.names, also=_retried(entry)),
            _sentence(entry.meaning),
            "",
            f"- **Do**: {linked(entry.action)}.",
            f"- **Safe**: {safe}.",
            f"- **Then**: {command}.",
        ]
    )


def alarm(*names: str) -> str:
    """The heading of an alarm, or of several that mean the same for different tables, and its description.

    Raises KeyError if the template has no alarm of that name.
    """
    return "\n".join([*_heading(names), _description(names[0])])


def table_alarms(prefix: str) -> str:
    """The heading of the alarms that every table has one of: their names are the prefix and the table's name."""
    text = alarm(*(f"{prefix}{camel_case(table)}Alarm" for table in TABLES))
    return re.sub(rf"\b{next(iter(TABLES))}\b", "the table", text)


def others() -> str:
    """What to do about an error that has no heading."""
    return OTHERS


def sizes() -> str:
    """How a run divides tables of several sizes with the template's defaults, and how long it takes."""
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


def _next(entry: Cure) -> tuple[str, str]:
    """What is safe then and the command, by the words of the action."""
    redrive, new_run = "redrive" in entry.action, "new run" in entry.action
    if "nothing" in entry.action:
        return _NOTHING
    if redrive and new_run:
        return _EITHER
    return _REDRIVE if redrive else _NEW_RUN


def _heading(names: tuple[str, ...], also: Iterable[str] = ()) -> list[str]:
    """A heading, and an anchor for each name and each of `also`, as Step Functions and CloudWatch write them.

    EventBridge puts the name into the link as it is, so a heading's own anchor, in lower case, would not do.
    """
    anchors = [f'<a id="{name}"></a>' for name in dict.fromkeys([*names, *also]) if "*" not in name]
    return ["\n".join(anchors), "", f"### {', '.join(names)}", ""]


def _retried(entry: Cure) -> list[str]:
    """The errors that are retried, and that this entry explains by a pattern."""
    retriers = json.loads(RETRIERS.read_text(encoding="utf-8")).values()
    return [name for retrier in retriers for name in retrier["ErrorEquals"] if cure(name) is entry]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _description(name: str) -> str:
    text = _alarms()[name]["AlarmDescription"]
    text = _LINK.sub("", text["Fn::Sub"] if isinstance(text, dict) else text)
    # One text for all tables.
    return re.sub(r"\$\{(\w+)\}", r"`\1`", text)


def _alarms() -> dict[str, dict[str, Any]]:
    template = cfn_yaml.load(str(TEMPLATE))
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
