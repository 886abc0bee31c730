"""`demand report`: what it shows, what it says is missing, and that no text is more than text."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demand import permissions
from demand.cli.output import duration
from demand.report.facts import Facts
from demand.report.page import render
from demand.report.timeline import timeline
from demand.runs import history
from demand_pipeline.builders import TABLES
from demand_pipeline.cures import cure_of_run
from demand_pipeline.tables import camel_case
from tests.demand.conftest import Demand, Real, case
from tests.demand.deployed import counting, deployed
from tests.statemachine.fakes import failing
from tests.support.report_facts import (
    FIRST,
    HOSTILE,
    NOW,
    attempts,
    dry_facts,
    facts,
    failed_facts,
    hostile_facts,
    over_limit_facts,
    rolled_back_facts,
    run,
    running_facts,
    shrunk_facts,
)
from tests.support.report_page import Page, page

SCAN = f"Scan{camel_case(FIRST)}"
MEGABYTE = 1 << 20


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
    assert headings(render(failed_facts(), duration))[:3] == ["failures", "warehouse", "counts"]
    assert headings(render(over_limit_facts(), duration))[:3] == ["failures", "rejects", "warehouse"]


def test_a_success_is_told_in_one_sentence_and_compared_with_the_runs_before() -> None:
    text = page(facts(run(loaded=2000))).text
    assert f"{2000 * len(TABLES):,} rows of {len(TABLES)} tables are committed; analysts see the rows of this" in text
    assert f"It took 2 min 10 s. {10 * len(TABLES)} items were rejected." in text
    assert "+111.6%" in text  # of the median 945 of 1000 - 10 per day
    assert "amounts.discount" in text
    assert "31/12/2026" in text


def test_what_is_over_a_limit_or_has_shrunk_is_marked_in_the_counts() -> None:
    over, shrunk = (render(made, duration) for made in (over_limit_facts(), shrunk_facts()))
    assert over.count('<strong class="warn">over 1 %</strong>') == 1
    assert shrunk.count('<strong class="warn">shrank</strong>') == 1
    assert "Warning: view mine.v depends on it" in shrunk
    assert 'class="warn"' not in render(facts(), duration)


@pytest.mark.parametrize(
    ("made", "bars"),
    [
        (facts(), len(TABLES)),
        (dry_facts(), 0),
        (failed_facts(), 0),
        (over_limit_facts(), 0),
        (running_facts(), 0),
        (rolled_back_facts(), 0),
    ],
)
def test_only_committed_rows_have_a_bar(made: Facts, bars: int) -> None:
    text = render(made, duration)
    assert text.count('class="this"') == bars
    assert text.count("<rect") == 10 * len(TABLES) + bars


def test_an_input_is_shown_in_words_and_not_in_pythons() -> None:
    made = facts(run(input={"tables": [FIRST, "audit"], "dryRun": True, "maxItems": None, "x": {"a": [1]}}))
    text = page(made).text
    assert f'tables: {FIRST}, audit, dryRun: true, maxItems: null, x: {{"a": [1]}}' in text
    assert not re.search(r"\b(True|False|None)\b|\['", text)


def test_every_cell_names_its_column_for_a_narrow_screen() -> None:
    for made in (facts(), over_limit_facts()):
        cells = re.findall(r"<td[^>]*>", render(made, duration))
        assert cells
        assert [cell for cell in cells if 'data-label="' not in cell] == []


def test_a_run_without_a_history_or_a_load_has_no_limits() -> None:
    assert facts().limit("maxRejectPercent") is None
    assert not facts().over_reject_limit(1000, 1000)


def test_a_failure_names_place_cure_and_command() -> None:
    text = page(failed_facts()).text
    for told in (
        "StagingError in TransformAudit, segment 3, chunk 1 after 2 min 10 s.",
        "expected an object, found none",
        "segment 3, chunk 1",
        "demand run",
    ):
        assert told in text


@pytest.mark.parametrize("made", [facts, failed_facts, over_limit_facts, shrunk_facts, hostile_facts])
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
    assert [group.label for group in drawn.groups] == [*TABLES, "copies", "load"]
    titles = [lane.title for group in drawn.groups for lane in group.lanes]
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
    assert said.json["missing"][0].startswith("drift: it is recorded at a commit")
    assert "the current state of the warehouse: " in said.json["missing"][1]
    text = Page(file.read_text()).text
    for told in (
        cure_of_run("SomethingNew").meaning[1:],
        "(SomethingNew); what analysts see is unknown",
        f"{SCAN}, segment 0, chunk 0",
        "Missing from this report",
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


def test_only_the_owner_reads_a_report_also_where_there_was_a_file(demand: Demand, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    with deployed(counting()):
        demand("run", "--tables", FIRST)
        for mode in (None, 0o644):
            if mode:
                file.chmod(mode)
            assert demand("report", "-o", str(file)).code == 0
            assert file.stat().st_mode & 0o777 == 0o600
        assert demand("report", "-o", "/dev/stdout").code == 0


def test_a_summary_is_five_lines_on_stdout_and_no_file(demand: Demand, tmp_path: Path) -> None:
    with deployed(counting()):
        demand("run", "--tables", FIRST)
        said, as_json = demand("report", "--summary"), demand("report", "--summary", "--json")
        refused = demand("report", "--summary", "--open", "--json")
    assert said.out.splitlines() == as_json.json["lines"]
    assert len(as_json.json["lines"]) == 5
    assert as_json.json["lines"][0].endswith("; what analysts see is unknown")
    assert "not in the report: " in said.err
    assert refused.code == 2
    assert refused.json["error"]["message"] == "--summary: cannot be combined with --output, --samples or --open"
    assert list(tmp_path.iterdir()) == []


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
    assert "were committed, and later replaced; analysts see the rows of " in Page(file.read_text()).text
    unknown = loaded.demand("report", "nope", "-o", str(file), "--json")
    assert (unknown.code, unknown.json["error"]["kind"]) == (2, "UnknownRun")
