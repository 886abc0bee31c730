"""Figures know their targets and how they read, and the file they are kept in."""

from pathlib import Path

import pytest

from benchmarks.figures import FULL_SIZE, TARGETS, TIMES, Figure, Results


def test_a_target_is_met_from_the_better_side() -> None:
    assert [Figure("e2e_cpu_vs_best_peer", value, "").met for value in (11.9, 12, 12.1)] == [False, True, True]
    assert [Figure("peak_rss_mb", value, "").met for value in (109.0, 110, 111)] == [True, True, False]
    assert Figure("anything", 1, "").to_json() == {"value": 1, "unit": "", "target": None, "met": None}


def test_whether_a_target_is_met_is_decided_by_the_number_that_is_shown() -> None:
    figure = Figure("scan_cpu_vs_resource_scan", 34.9999, "")
    assert (figure.to_json()["value"], figure.met) == (35.0, True)
    assert Figure("scan_cpu_vs_resource_scan", 34.98, "").met is False


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (22_900, "items/s", "22,900 items/s"),
        (44.12, "us/item", "44.1 µs/item"),
        (9.4, "us/row", "9.40 µs/row"),
        (0.8512, TIMES, f"0.851{TIMES}"),
        (0.75, "share", "75 %"),
        (0, "ms", "0 ms"),
    ],
)
def test_a_figure_reads_well(value: float, unit: str, text: str) -> None:
    assert str(Figure("a", value, unit)) == text


def test_results_come_back_as_they_were_written_and_a_new_figure_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "results" / "latest.json"
    first = Results(machine={"cores": 2}, date="2026-11-23")
    first.merge([Figure("a", 1, "MB", note="of one"), Figure("b", 2, "x")])
    first.write(path)
    second = Results.load(path)
    assert second == first
    second.merge([Figure("c", 3, "x"), Figure("a", 4, "MB")])
    assert [(name, figure.value) for name, figure in second.figures.items()] == [("a", 4), ("b", 2), ("c", 3)]


def test_the_targets_are_for_the_full_size() -> None:
    size = FULL_SIZE
    assert (size.end_to_end_items, max(size.growth_items), max(size.stall_rows)) == (50_000, 1_000_000, 1_000_000)
    assert size.end_to_end_repetitions >= 3
    assert len(TARGETS) == 21
