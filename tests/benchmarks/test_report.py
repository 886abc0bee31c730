"""The page of the figures and its charts."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.figures import TARGETS, Figure, Results
from benchmarks.report import write_performance
from benchmarks.report.numbers import TIMES

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = {"processor": "Abacus 9", "cores": 2, "memory_gb": 7.5, "system": "Linux 6", "python": "3.13.0"}
FIGURES = [
    Figure("e2e_ours_items_per_s", 22900, "items/s"),
    Figure("e2e_pandas_items_per_s", 1811.5, "items/s"),
    Figure("e2e_pandas_kept", 0.6, "share", "numbers became <floats> & dates text"),
    Figure("e2e_pandas_postgres_cpu_us_per_item", 21.5, "us/item"),
    Figure("scan_handler_cpu_us_per_item", 5.4, "us/item"),
    Figure("scan_floor_cpu_us_per_item", 0.61, "us/item"),
    Figure("scan_cpu_vs_resource_scan", 41.2, "x"),
    Figure("load_truncate_us_per_row", 9.4, "us/row"),
    Figure("load_truncate_cpu_us_per_row", 3.3, "us/row"),
    Figure("load_wall_vs_psql_copy", 1.25, "x", "the disk was <full>"),
    Figure("stall_merge_200000_ms", 0, "ms"),
    Figure("stall_truncate_first_1000000_ms", 15200, "ms"),
    Figure("growth_scan_us_per_item_10000", 30.5, "us/item"),
    Figure("growth_scan_us_per_item_1000000", 5.25, "us/item"),
    Figure("growth_scan_rss_mb_10000", 70.5, "MB"),
    Figure("cold_scan_segment_import_ms", 431, "ms"),
    Figure("unheard_of", 7, "ms"),
]
CHARTS = {"e2e-items", "scan-cpu", "load-wall", "stalls", "growth-time", "growth-memory"}


def results(figures: list[Figure]) -> Results:
    return Results(MACHINE, "2026-11-23", {figure.name: figure for figure in figures})


def written(docs: Path, figures: list[Figure] = FIGURES) -> str:
    write_performance(results(figures), docs)
    return (docs / "performance.md").read_text()


def charts(docs: Path) -> dict[str, ET.Element]:
    return {path.stem: ET.parse(path).getroot() for path in (docs / "performance").glob("*.svg")}  # noqa: S314 - our own


def row_of(page: str, first: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| {first} |"))


def test_the_page_says_when_and_where_the_figures_were_made(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert "Made by `make bench`" in page
    assert "2026-11-23 on Abacus 9, 2 cores, 7.5 GB, Linux 6, Python 3.13.0" in page


def test_every_figure_appears(tmp_path: Path) -> None:
    page = written(tmp_path)
    for shown in ("22,900", "1,812", "60 %", "21.5", "5.40", "0.61", "41.2", "9.40", "3.30", "1.25", "15,200"):
        assert f" {shown} |" in page
    for shown in ("30.5", "5.25", "70.5", "431", "7"):
        assert f" {shown} |" in page


def test_a_target_not_met_is_shown_as_not_met(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert "1 of 2 measured targets are met. Not met: `load_wall_vs_psql_copy`." in page
    assert row_of(page, "`load_wall_vs_psql_copy`") == "| `load_wall_vs_psql_copy` | 1.25 | x | ≤ 1 | **no** |"
    assert row_of(page, "`scan_cpu_vs_resource_scan`") == "| `scan_cpu_vs_resource_scan` | 41.2 | x | ≥ 35 | yes |"


def test_targets_come_before_all_else(tmp_path: Path) -> None:
    targets = written(tmp_path).split("\n## ")[1]
    assert targets.startswith("Targets\n")
    assert "| `load_wall_vs_psql_copy` |" in targets
    assert "| `scan_cpu_vs_resource_scan` |" in targets


def test_a_target_that_was_not_measured_is_told(tmp_path: Path) -> None:
    page = written(tmp_path)
    told = re.search(r"Not measured: ([^.]*)\.", page)
    assert told is not None
    assert set(re.findall(r"`(\w+)`", told[1])) == set(TARGETS) - {figure.name for figure in FIGURES}


MISSED = [
    Figure("scan_cpu_vs_resource_scan", 30, "x"),
    Figure("scan_handler_cpu_us_per_item", 6, "us/item"),
    Figure("scan_plain_loop_cpu_us_per_item", 4.5, "us/item"),
    Figure("scan_resource_cpu_us_per_item", 180, "us/item"),
    Figure("scan_floor_cpu_us_per_item", 0.8, "us/item"),
    Figure("scan_wire_bytes_per_item", 900, "B/item"),
    Figure("scan_compressed_bytes_per_item", 150, "B/item"),
]


def test_a_missed_target_is_explained_by_what_was_measured(tmp_path: Path) -> None:
    page = " ".join(written(tmp_path, MISSED).split())
    assert "`scan_cpu_vs_resource_scan`: boto3's resource takes 180 µs" in page
    assert f"so that 40{TIMES} is the limit" in page
    assert "a second reader and parts of bounded size add 1.50 µs" in page
    assert "send 6 times the bytes" in page


def test_a_target_that_is_met_is_not_explained(tmp_path: Path) -> None:
    page = written(tmp_path, [Figure("scan_cpu_vs_resource_scan", 36, "x"), *MISSED[1:]])
    assert "`scan_cpu_vs_resource_scan`:" not in page


def test_nothing_is_explained_without_the_figures(tmp_path: Path) -> None:
    assert "`scan_cpu_vs_resource_scan`:" not in written(tmp_path, MISSED[:-1])


def test_contestants_stand_in_a_row_each(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert row_of(page, "contestant") == "| contestant | items/s | kept |"
    assert row_of(page, "this project") == "| this project | 22,900 |  |"
    assert row_of(page, "pandas + psycopg2") == "| pandas + psycopg2 | 1,812 | 60 % |"


def test_a_note_stands_below_its_table(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert "- pandas + psycopg2, kept: numbers became <floats> & dates text" in page
    assert "- `load_wall_vs_psql_copy`: the disk was <full>" in page


def test_a_load_s_time_and_cpu_are_not_mixed_up(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert row_of(page, "truncate") == "| truncate | 9.40 | 3.30 |"
    labels = [text.text for text in charts(tmp_path)["load-wall"].iter(f"{SVG}text")]
    assert "9.40" in labels
    assert "3.30" not in labels


def test_every_chart_is_valid_and_says_what_it_shows(tmp_path: Path) -> None:
    page = written(tmp_path)
    drawn = charts(tmp_path)
    assert set(drawn) == CHARTS
    for name, chart in drawn.items():
        assert re.search(rf"!\[[^\]]+\]\(performance/{name}\.svg\)", page)
        assert chart.get("role") == "img"
        title, description = chart.find(f"{SVG}title"), chart.find(f"{SVG}desc")
        assert title is not None
        assert description is not None
        assert chart.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text in [text.text for text in chart.iter(f"{SVG}text")]
    described = drawn["stalls"].findtext(f"{SVG}desc")
    assert described == (
        "milliseconds, logarithmic, less is better: merge, 200,000 rows 0; TRUNCATE, then COPY, 1,000,000 rows 15,200."
    )


def test_charts_are_light_and_dark(tmp_path: Path) -> None:
    written(tmp_path)
    for chart in charts(tmp_path).values():
        style = chart.findtext(f"{SVG}style") or ""
        light, dark = style.split("@media (prefers-color-scheme:dark)")
        used = {shape.get("class", "").split()[-1] for shape in chart.iter() if shape.get("class")}
        for name in used:
            assert f".{name}{{" in light
            assert f".{name}{{" in dark


def test_everything_is_drawn_within_the_chart(tmp_path: Path) -> None:
    written(tmp_path)
    for chart in charts(tmp_path).values():
        width, height = float(chart.get("width", 0)), float(chart.get("height", 0))
        for shape in chart.iter():
            for side, limit in (("x", width), ("cx", width), ("y", height), ("cy", height)):
                assert 0 <= float(shape.get(side, 0)) <= limit


def test_bars_are_as_long_as_their_values(tmp_path: Path) -> None:
    written(tmp_path)
    bars = [box for box in charts(tmp_path)["e2e-items"].iter(f"{SVG}rect") if box.get("class") in {"s0", "other"}]
    assert [box.get("class") for box in bars] == ["s0", "other"]
    ours, theirs = (float(box.get("width", 0)) for box in bars)
    assert ours / theirs == pytest.approx(22900 / 1811.5, rel=0.01)


def test_a_chart_without_figures_is_left_out_and_an_old_one_removed(tmp_path: Path) -> None:
    written(tmp_path)
    page = written(tmp_path, [Figure("scan_floor_cpu_us_per_item", 0.6, "us/item")])
    assert set(charts(tmp_path)) == {"scan-cpu"}
    assert "stalls.svg" not in page
    assert "## Load" not in page


def test_a_wait_of_nothing_can_be_drawn(tmp_path: Path) -> None:
    written(tmp_path, [Figure("stall_merge_1000_ms", 0, "ms")])
    assert "0" in [text.text for text in charts(tmp_path)["stalls"].iter(f"{SVG}text")]


def test_no_figures_make_a_page_too(tmp_path: Path) -> None:
    assert "0 of 0 measured targets are met." in written(tmp_path, [])
    assert charts(tmp_path) == {}
