"""The report in a real browser: at three widths, in both colour schemes, by keyboard, to a screen reader, on paper."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from demand.cli.output import duration
from demand.report.page import render
from tests.support.report_facts import (
    HOSTILE,
    facts,
    failed_facts,
    hostile_facts,
    over_limit_facts,
    rolled_back_facts,
    run,
    running_facts,
    shrunk_facts,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed; it fetches the browser"),
]

ROOT = Path(__file__).parents[2]
FETCHED = ROOT / ".browser"
PIXELS = 12  # of the smallest text
PAGES = {
    "succeeded": facts,
    "redriven": lambda: facts(run(redrives=1)),
    "failed": failed_facts,
    "over-limit": over_limit_facts,
    "rolled-back": rolled_back_facts,
    "running": running_facts,
    "shrunk": shrunk_facts,
    "hostile": hostile_facts,
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("pages")
    files = []
    for name, made in PAGES.items():
        files.append(folder / f"{name}.html")
        files[-1].write_text(render(made(), duration), encoding="utf-8")
    axe = FETCHED / "node_modules/axe-core/axe.min.js"
    command = [
        ROOT / ".venv-browser/bin/python",
        ROOT / "tests/slow/browser.py",
        FETCHED / "chromium",
        FETCHED / "lib",
        axe,
    ]
    done = subprocess.run([*command, folder, *files], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(found) == len(PAGES) * 3 * 2
    return found


def test_no_request_leaves_the_page_and_the_console_is_silent(seen: list[dict[str, Any]]) -> None:
    assert [
        (look["page"], look["requests"], look["messages"]) for look in seen if look["requests"] or look["messages"]
    ] == []


def test_it_fits_every_width(seen: list[dict[str, Any]]) -> None:
    assert [(look["page"], look["width"], look["overflow"]) for look in seen if look["overflow"] > 0] == []
    assert [(look["page"], look["width"], look["outside"]) for look in seen if look["outside"]] == []


def test_every_text_can_be_read(seen: list[dict[str, Any]]) -> None:
    assert [(look["page"], look["width"], look["smallest"]) for look in seen if look["smallest"] < PIXELS] == []


def test_hostile_contents_stay_text(seen: list[dict[str, Any]]) -> None:
    for look in seen:
        assert not {"script", "img", "iframe", "form"} & set(look["elements"])
        assert look["owned"] is None
        if look["page"] == "hostile":
            assert look["text"].count("<script>window.owned = 1</script>") >= 10
            assert HOSTILE[:20] in look["title"]


def test_contrast_and_structure_are_those_that_axe_asks_for(seen: list[dict[str, Any]]) -> None:
    found = {(look["page"], look["scheme"], rule): nodes for look in seen for rule, nodes in look["violations"]}
    assert found == {}


def test_the_keyboard_reaches_everything_and_shows_where_it_is(seen: list[dict[str, Any]]) -> None:
    for look in seen:
        assert look["first"][:2] == ["a", "Skip to the content"]
        assert all(is_outlined for _, _, is_outlined in [look["first"], *look["stops"]])
        assert {name for name, _, _ in look["stops"]} >= {"a", "summary"}


def test_it_can_be_printed(seen: list[dict[str, Any]]) -> None:
    assert all(look["printed"] > 10_000 for look in seen if look["printed"] is not None)
