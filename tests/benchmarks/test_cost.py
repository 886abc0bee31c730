"""The cost model, against an example worked by hand and the state machine itself."""

import math
import re
from pathlib import Path

import pytest

from benchmarks.cost import write_cost
from benchmarks.cost.assumptions import Assumptions
from benchmarks.cost.model import Measured, MissingFigureError, Run
from benchmarks.cost.page import dollars, duration
from benchmarks.cost.plan import Plan, events, transitions
from benchmarks.cost.sizes import stored_bytes
from benchmarks.figures import Figure, Results
from demand_pipeline.builders import TABLES
from scripts.state_machine import share
from tests.statemachine.fakes import FIRST, handlers, sized
from tests.statemachine.harness import Machine

MACHINE = {"processor": "Abacus 9", "cores": 2, "memory_gb": 7.5, "system": "Linux 6", "python": "3.13.0"}
VALUES = {
    "scan_handler_cpu_us_per_item": 5,
    "scan_wire_bytes_per_item": 1600,
    "scan_compressed_bytes_per_item": 400,
    "transform_handler_cpu_us_per_item": 25,
    "transform_compressed_bytes_per_item": 100,
    "load_truncate_us_per_row": 10,
    "cold_scan_segment_import_ms": 500,
    "cold_transform_import_ms": 400,
}
FIGURES = {name: Figure(name, value, "") for name, value in VALUES.items()}
# A hundred million items of 1,000 bytes: 100 GB, ten partitions.
MEASURED = Measured(
    5e-6, 25e-6, 10e-6, wire_bytes=1600, raw_bytes=400, staged_bytes=100, stored_bytes=1000, cold_seconds=0.5
)
RUN = Run(100_000_000, MEASURED)


def near(value: float) -> float:
    return pytest.approx(value, rel=0.001)  # type: ignore[no-any-return]


def page(docs: Path) -> str:
    write_cost(Results(MACHINE, "2026-11-22", FIGURES), docs)
    return (docs / "cost.md").read_text()


def test_a_run_is_cut_as_worked_by_hand() -> None:
    # 47 segments of 2 GiB, at most 40; with four tables, a chunk is a hundredth of the table.
    assert Plan(segments=40, chunk_bytes=100_000_000_000 // share()) == RUN.plan
    # 2.5 million items a segment, 4 GB on the wire.
    assert RUN.chunks == 40 * math.ceil(4_000_000_000 / RUN.plan.chunk_bytes) == 160


def test_scans_wait_for_the_partitions_as_worked_by_hand() -> None:
    # 12.2 million units at 30,000 a second take 407 seconds, for which 40 functions wait.
    assert RUN.read_units == near(12_207_031)
    assert RUN.reading_seconds == near(40 * 406.9)
    assert RUN.scan_seconds == near(16_276 + 500 + 40e9 / 85e6)


def test_a_small_table_is_read_page_by_page() -> None:
    run = Run(1_000_000, MEASURED)  # 954 pages of 128 units, 42.7 ms each
    assert run.reading_seconds == near(953.7 * 0.04267)


def test_a_run_costs_what_was_worked_by_hand() -> None:
    memory = 1769 / 1024
    assert RUN.dollars == {
        "Lambda, scan": near(memory * (17_246.6 + 80) * 0.0000166667),
        "Lambda, transform": near(memory * (2_500 + 588.2 + 80) * 0.0000166667),
        "Lambda, load": near(memory * 1000.5 * 0.0000166667),
        "Lambda, requests": near(321 * 0.0000002),
        "Step Functions, state transitions": near((7 + 2 * (len(TABLES) - 1) + 40 + 3 * 160) * 0.000025),
        # 250 MB raw are 30 parts, 62.5 MB staged 8, and two requests around each.
        "S3, requests": near(160 * (32 + 10) * 0.000005 + 320 * 0.0000004),
        "S3, 30 days of storage": near(46.566 * 0.023 * 30 / 30.417),
        "DynamoDB, reads": near(12.207 * 0.125),
    }
    assert RUN.total == near(3.247)


def test_a_chunk_ends_with_the_function_s_time_too() -> None:
    slow = Run(100_000_000, MEASURED, Assumptions(table_units_per_second=3000))
    # 162,760 seconds for DynamoDB and 971 for work, in 40 segments, of 840 seconds a function
    assert slow.chunks == 40 * math.ceil(163_731 / 40 / 840)


@pytest.mark.parametrize(("table_bytes", "chunks"), [(0, 1), (5 * 2**30, 2)])
def test_states_and_events_are_those_of_the_machine(table_bytes: int, chunks: int) -> None:
    segments = Plan.of(table_bytes).segments
    with Machine(handlers(chunks=chunks), around=sized(table_bytes)) as machine:
        history = machine.history(machine.start({"tables": [FIRST]}))
    assert segments == (3 if table_bytes else 1)
    assert events(segments, segments * chunks) == len(history)
    assert transitions(segments, segments * chunks) == sum(event["type"].endswith("StateEntered") for event in history)


def test_an_item_s_size_is_as_dynamodb_documents_it() -> None:
    item = {
        "größe": {"S": "äb"},  # 7 + 3
        "n": {"N": "-120.50"},  # 1 + 2 + 1: four digits that count
        "b": {"B": "AAAA"},  # 1 + 3
        "set": {"SS": ["a", "bc"]},  # 3 + 3
        "map": {"M": {"x": {"BOOL": True}}},  # 3 + 3 + 1 + 1 + 1
        "list": {"L": [{"NULL": True}, {"S": "abc"}]},  # 4 + 3 + 2 + 1 + 3
    }
    assert stored_bytes(item) == 10 + 4 + 4 + 6 + 9 + 13


def test_the_page_says_which_run_does_not_fit(tmp_path: Path) -> None:
    text = page(tmp_path)
    fits = re.findall(r"^\| ([\d,]+) \|.*\| (yes|\*\*no\*\*) \|$", text, re.MULTILINE)
    assert fits == [("1,000,000", "yes"), ("100,000,000", "**no**"), ("1,000,000,000", "**no**")]
    assert "84 million rows a run" in text
    assert "| 840 seconds of load | 1 % | **119 %** | **1,190 %** |" in text


def test_the_page_has_every_cost_and_every_price_with_its_source(tmp_path: Path) -> None:
    text = page(tmp_path)
    for name in RUN.dollars:
        assert text.count(f"\n| {name} | ") == 3
    assert "Figures of 2026-11-22, list prices of\n2026-11-23 in us-east-1" in text
    assert len(re.findall(r"\$[\d.]+ \| https://aws\.amazon\.com/\S+ \| \S", text)) == 7


def test_a_figure_that_was_not_measured_is_named() -> None:
    with pytest.raises(MissingFigureError, match=r"^load_truncate_us_per_row$"):
        Measured.of({name: figure for name, figure in FIGURES.items() if name != "load_truncate_us_per_row"})


def test_units_are_those_of_the_figures() -> None:
    measured = Measured.of(FIGURES)
    assert (measured.scan_seconds, measured.load_seconds, measured.cold_seconds) == (5e-6, 10e-6, 0.5)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(1234.5, "$1,234.50"), (0.25, "$0.25"), (0.0009, "$0.00090"), (0.00002, "under $0.0001")],
)
def test_dollars_keep_two_digits(amount: float, text: str) -> None:
    assert dollars(amount) == text


@pytest.mark.parametrize(("seconds", "text"), [(67, "67 seconds"), (960, "16 minutes"), (9400, "2.61 hours")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
