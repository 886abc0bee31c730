"""Generates the regions of docs/runbook.md: a table of errors and one of alarms, with the anchors that alerts link to.

An error is explained by `demand_pipeline.cures`, an alarm by its description in template.yaml.
A name links to its section if the page has one.
"""

import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from cfnlint.decode import cfn_yaml

from demand import explain
from demand.cost import Measured, Run, TableRun
from demand_pipeline.builders import TABLES
from demand_pipeline.cure import Cure
from demand_pipeline.cures import PASSING, QUESTION_CURES, RUN_CURES, cure_of_run
from demand_pipeline.tables import camel_case
from scripts.cost_page import duration
from scripts.dashboard import FUNCTIONS
from scripts.pages import linked
from scripts.tables import markdown

PAGE = Path("docs/runbook.md")
TEMPLATE = Path("template.yaml")
# A question that fails with the name of a run's error is explained by the command that asked it.
EXPLAINED = sorted(
    (*RUN_CURES, *(entry for entry in QUESTION_CURES if "RollbackError" in entry.names)),
    key=lambda entry: ("." in entry.names[0], entry.names[0]),
)
_SIZES = (1, 10, 100, 1000)  # GB
# How an alarm's description ends; the runbook need not link itself.
_LINK = re.compile(r"\s*Runbook: \S+$")
_EACH = re.compile(rf"(.+?)({'|'.join([*FUNCTIONS, *map(camel_case, TABLES)])})Alarm")


def errors() -> str:
    """One row per entry of the cures."""
    rows = [_error(entry) for entry in EXPLAINED]
    others = [
        ("any other name with a dot", *_explained(cure_of_run("Any.other"))),
        ("any other name", *_explained(cure_of_run("AnyOther"))),
    ]
    return _table(("error", "meaning", "what to do"), [*rows, *others])


def alarms() -> str:
    """One row per alarm; alarms that differ only in the table or function that they watch have one row together."""
    alarms = _alarms()
    rows = []
    for name, group in groupby(alarms, family):
        names = list(group)
        anchors = "".join(map(_anchor, names))
        # One text for all tables.
        meaning = re.sub(rf"\b{next(iter(TABLES))}\b", "the table", alarms[names[0]])
        rows.append((anchors + _linked(name, name), meaning))
    return _table(("alarm", "meaning"), rows)


def queries() -> str:
    """Return the SQL that shows more about errors, each statement once, below the names of its errors."""
    asked: dict[str, list[str]] = {}
    for name in explain.STATEMENTS:
        for text in explain.statements(name):
            asked.setdefault(text, []).append(_linked(name, name))
    return "\n\n".join(f"{', '.join(names)}:\n\n```sql\n{text}\n```" for text, names in asked.items())


def passing() -> str:
    """Return the names of the errors after which a run is redriven automatically."""
    return f"These errors often pass: {', '.join(f'`{name}`' for name in PASSING)}."


def family(alarm: str) -> str:
    """The alarm's name, with `…` for a table or a function."""
    return _EACH.sub(r"\1…Alarm", alarm)


def _error(entry: Cure) -> tuple[str, ...]:
    return "<br>".join(_anchor(name) + _linked(name, entry.names[0]) for name in entry.names), *_explained(entry)


def _explained(entry: Cure) -> tuple[str, str]:
    return _sentence(entry.meaning), _sentence(linked(entry.action))


def _anchor(name: str) -> str:
    """EventBridge puts the name into a link as it is, so a heading's own anchor, in lower case, would not do."""
    return f'<a id="{name}"></a>'


def _linked(name: str, section: str) -> str:
    """The name, as a link if the page has this section."""
    if f"\n### {section}\n" not in PAGE.read_text(encoding="utf-8"):
        return name
    return f"[{name}](#{re.sub(r'[^a-z0-9]', '', section.lower())})"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


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


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _alarms() -> dict[str, str]:
    """The description of every alarm, without its link."""
    found = {}
    for name, resource in cfn_yaml.load(str(TEMPLATE))["Resources"].items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            text = resource["Properties"]["AlarmDescription"]
            found[name] = re.sub(
                r"\$\{(\w+)\}", r"`\1`", _LINK.sub("", text["Fn::Sub"] if isinstance(text, dict) else text)
            )
    return found
