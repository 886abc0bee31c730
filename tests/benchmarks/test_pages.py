"""The figures are shown in the tables of two pages, and in the picture."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import cost
from benchmarks.figures import LATEST, Figure, Results, number
from demand.cost import measured
from scripts import cost_page, performance

DOCS = Path(__file__).parents[2] / "docs"
CONTESTANTS = ("ours", "singer", "dlt", "pandas")


def test_the_picture_shows_the_latest_figures() -> None:
    latest = Results.load().figures
    texts = [text.text for text in ET.parse(DOCS / "performance.svg").iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - our own
    for measure in ("items_per_s", "cpu_us_per_item", "peak_rss_mb"):
        for contestant in CONTESTANTS:
            assert f"{latest[f'e2e_{contestant}_{measure}'].value:,.0f}" in texts


def test_a_missed_target_is_shown_as_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = Results.load()
    changed.merge([Figure("peak_rss_mb", 111, "MB"), Figure("reader_stall_ms", 5, "ms")])
    monkeypatch.setattr(Results, "load", lambda: changed)
    assert "| `peak_rss_mb` | 111 MB | ≤ 110 | **no** |" in performance.targets()
    assert "| `reader_stall_ms` | 5 ms | ≤ 50 | yes |" in performance.targets()


def test_what_arrived_has_a_row_per_check() -> None:
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|", performance.end_to_end(), re.MULTILINE))
    assert list(rows)[-4:] == ["rows", "38-digit numbers exact", "column types", "items' unread attributes"]
    assert rows["column types"] == "22 of 22"


def test_every_part_s_table_is_full() -> None:
    parts = (performance.end_to_end, performance.scan, performance.transform, performance.load, performance.readers)
    for part in (*parts, performance.growth):
        assert len(part().splitlines()) > 4
        assert "|  |" not in part().partition("\n")[2]


def test_a_figure_that_was_not_measured_is_named() -> None:
    results = Results.load()
    del results.figures["load_truncate_publish_us_per_row"]
    with pytest.raises(KeyError, match="load_truncate_publish_us_per_row"):
        cost_page.measured_file(results)


def test_the_model_s_figures_are_the_latest() -> None:
    latest = json.loads(LATEST.read_text())
    found = measured.Measured.load()
    assert found.date == latest["date"]
    assert found.scan_us == latest["figures"]["scan_handler_cpu_us_per_item"]["value"]
    assert number(found.truncate_us) in performance.load()


def test_the_largest_run_fits_or_names_the_limit_that_it_reaches() -> None:
    results = Results.load()
    assert cost.fits(results).value == 1
    results.merge([Figure("load_truncate_copying_us_per_row", 500, "us/row")])
    figure = cost.fits(results)
    assert (figure.value, figure.note.partition(":")[0]) == (
        0,
        "1 is yes; the closest limit is time to copy a chunk, 840 s",
    )


@pytest.mark.parametrize(
    ("amount", "text"),
    [(1234.5, "$1,234.50"), (0.25, "$0.25"), (0.0009, "$0.00090"), (0.00002, "under $0.0001")],
)
def test_dollars_keep_two_digits(amount: float, text: str) -> None:
    assert cost_page.dollars(amount) == text


@pytest.mark.parametrize(("seconds", "text"), [(67, "67 seconds"), (960, "16 minutes"), (9400, "2.61 hours")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert cost_page.duration(seconds) == text
