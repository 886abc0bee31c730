"""`demand report`: what it shows, what it says is missing, and that no text is more than text."""

import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demand import permissions
from demand.cli.output import duration
from demand.report.page import render
from demand.report.timeline import timeline
from demand.runs import history
from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from tests.demand.conftest import Demand, Real, case, counting, deployed
from tests.statemachine.fakes import failing
from tests.support.report_facts import HOSTILE, NOW, attempts, facts, failed_facts, hostile_facts, run

FIRST, SECOND = list(TABLES)[:2]
SCAN = f"Scan{camel_case(FIRST)}"
MEGABYTE = 1 << 20


class Page(HTMLParser):
    """The elements of a page, its text, and whatever would be fetched or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "srcset", "action", "data"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def page(made: Any) -> Page:
    return Page(render(made, duration))


def headings(text: str) -> list[str]:
    return re.findall(r'<h2 id="(\w+)"', text)


def test_sections_come_in_the_order_in_which_they_matter() -> None:
    assert headings(render(facts(), duration)) == [
        "warehouse",
        "counts",
        "time",
        "rejects",
        "drift",
        "cost",
        "settings",
    ]
    assert headings(render(failed_facts(), duration))[:3] == ["warehouse", "failures", "counts"]


def test_a_success_is_told_in_one_sentence_and_compared_with_the_runs_before() -> None:
    text = page(facts(run(loaded=2000))).text
    assert "Committed" in text
    assert f"{2000 * len(TABLES):,} rows of {len(TABLES)} tables in 2 min 10 s. {10 * len(TABLES)} items" in text
    assert "+111.6%" in text  # of the median 945 of 1000 - 10 per day
    assert "amounts.discount" in text
    assert "31/12/2026" in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"status": "RUNNING", "output": None, "stopped": None}, "Running"),
        ({"output": {"committed": False, "tables": []}}, "Dry run: counted and rolled back"),
        ({"redrives": 2}, "It was redriven 2 times."),
        ({"status": "TIMED_OUT", "output": None}, "Failed: TIMED_OUT"),
    ],
)
def test_the_verdict_says_how_it_ended(changes: dict[str, Any], told: str) -> None:
    assert told in page(facts(run(**changes))).text


def test_a_failure_names_place_cure_and_command() -> None:
    text = page(failed_facts()).text
    for told in (
        "Failed: StagingError",
        "expected an object, found none",
        "segment 3, chunk 1",
        "demand run",
    ):
        assert told in text


@pytest.mark.parametrize("made", [facts, failed_facts, hostile_facts])
def test_nothing_is_fetched_or_run_and_every_text_stays_text(made: Any) -> None:
    text = render(made(), duration)
    found = Page(text)
    assert {each for each in found.addresses if not each.startswith("#")} == {"data:,"}
    assert not {"script", "img", "iframe", "object", "link rel=stylesheet"} & set(found.elements)
    assert found.handlers == []
    assert "@import" not in text
    assert "url(" not in text
    assert len(found.ids) == len(set(found.ids))
    if made is hostile_facts:
        assert found.text.count(HOSTILE[:40]) > 10


def test_a_command_is_quoted_for_a_shell() -> None:
    made = facts(run(name="a b'(c)"))
    assert f"demand rejects {shlex.quote(made.run.name)} --export" in page(made).text


def test_a_run_of_10000_events_stays_below_a_megabyte() -> None:
    tried = attempts(segments=90, chunks=3)  # a chunk has about 12 events
    assert len(tried) * 6 > 10_000
    assert len(render(facts(tried=tried), duration).encode()) < MEGABYTE


def test_the_timeline_has_a_lane_per_segment_and_as_few_as_hold_the_copies() -> None:
    drawn = timeline(attempts(segments=4), NOW)
    assert drawn
    titles = [lane.title for lane in drawn.lanes]
    assert len(titles) == 4 * len(TABLES) + 4 + 1
    assert titles[3].startswith(f"{FIRST}, segment 3: 250 items, 68.0 s")
    assert titles[-2:] == ["copies, 4 at the same time: 3 chunks", "load: 1 calls, 10.0 s"]
    assert timeline([], NOW) is None


def test_a_failed_run_is_reported_with_what_there_is(demand: Demand, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    with deployed(counting(), around=failing({(SCAN, 0): ["SomethingNew"]})):
        demand("run", "--tables", FIRST)
        said = demand("report", "-o", str(file), "--json")
    assert said.code == 0
    assert said.json["bytes"] == file.stat().st_size
    assert len(said.json["missing"]) == 2
    assert said.json["missing"][0].startswith("drift: it is recorded with a commit")
    assert "what the warehouse holds now: " in said.json["missing"][1]
    text = Page(file.read_text()).text
    for told in (
        "Failed: SomethingNew",
        f"{SCAN}, segment 0, chunk 0",
        "What this report could not find out",
        "Unknown",
    ):
        assert told in text


@pytest.mark.parametrize(("works", "told"), [(True, ""), (False, "found no browser (BROWSER may name one): open ")])
def test_the_browser_gets_the_files_address_or_the_reader_is_told(
    demand: Demand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, works: bool, told: str
) -> None:
    browser, file, seen = tmp_path / "browser", tmp_path / "a report.html", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(browser) if works else str(tmp_path / "none"))
    monkeypatch.setenv("PATH", "")  # where no other is
    monkeypatch.setattr("webbrowser._tryorder", None)  # the module reads BROWSER once
    with deployed(counting()):
        demand("run", "--tables", FIRST)
        said = demand("report", "-o", str(file), "--open", "--json")
    assert (said.code, said.json["file"]) == (0, str(file))
    assert told in said.err
    assert ("found no browser" in said.err) == (not works)
    assert (seen.read_text() if works else "") == (f"{file.as_uri()}\n" if works else "")


def test_a_file_that_cannot_be_written_is_named(demand: Demand, tmp_path: Path) -> None:
    with deployed(counting()):
        demand("run", "--tables", FIRST)
        said = demand("report", "-o", str(tmp_path / "no" / "report.html"), "--json")
    assert (said.code, said.json["error"]["message"]) == (
        2,
        f"--output {tmp_path}/no/report.html: No such file or directory",
    )


@pytest.mark.long
def test_the_warehouse_tells_what_it_holds_and_remembers_runs_without_a_history(
    loaded: Real,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "report.html"
    first = loaded.demand("runs", "--json").json["runs"][0]["name"]
    loaded.put(case(200, channel={"S": "mail"}))
    loaded.run("--max-reject-percent", "50")
    said, called = loaded.called("report", "-o", str(file), "--samples", "--json")
    assert said.json["missing"] == []
    assert called == {permission.action for permission in permissions.COMMANDS["report"]}
    text = Page(file.read_text()).text
    for told in ("this run", "got S 'soon'", "channel", 'Column("channel", ColumnType.TEXT, "channel"', "+3.2%"):
        assert told in text, told
    loaded.demand("report", "-o", str(file))
    assert "soon" not in file.read_text()

    def forgotten(*_: Any, **__: Any) -> Any:
        raise ClientError({"Error": {"Code": "ExecutionDoesNotExist", "Message": "gone"}}, "GetExecutionHistory")

    for name in ("describe", "_latest"):
        monkeypatch.setattr(f"demand.runs.execution.{name}", forgotten if name == "describe" else lambda *_: [])
    monkeypatch.setattr(history.History, "update", forgotten)
    said = loaded.demand("report", first, "-o", str(file), "--json")
    assert (said.json["run"], said.json["missing"]) == (
        first,
        ["the run's history: Step Functions keeps it for 90 days"],
    )
    assert "Committed" in Page(file.read_text()).text
    unknown = loaded.demand("report", "nope", "-o", str(file), "--json")
    assert (unknown.code, unknown.json["error"]["kind"]) == (2, "UnknownRun")
