"""The cost model, compared with an example worked by hand, the template and the state machine itself."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonata
import pytest
from cfnlint.decode import cfn_yaml

from demand.cost import PRICES, Assumptions, Measured, Price, Run, Settings, TableRun
from demand.cost.settings import RUN_SECONDS
from demand.estimate import PARAMETERS, read_parameter
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.s3.multipart import PART_BYTES
from demand_pipeline.scan.segment import READERS
from scripts.state_machine import RUN_CHUNKS, RUN_FUNCTIONS
from tests.statemachine.fakes import FIRST, handlers, sized
from tests.statemachine.harness import Machine

ROOT = Path(__file__).parents[2]
TEMPLATE = cfn_yaml.load(str(ROOT / "template.yaml"))
MACHINE = json.loads((ROOT / "statemachine/demand_pipeline.asl.json").read_text())
STATES = MACHINE["States"]
SHARE = RUN_CHUNKS // len(TABLES)
# A hundred million items of 1,000 bytes: 100 GB, ten partitions.
TIMES = {"scan_us": 5, "transform_us": 25, "copy_us": 8, "truncate_us": 5, "merge_us": 10, "swap_us": 4}
SIZES = {"stored_bytes": 1000, "response_bytes": 1600, "raw_bytes": 400, "staged_bytes": 100}
MEASURED = Measured("2026-11-23", **TIMES, **SIZES, heap_bytes=500, index_bytes=100, cold_start_ms=500)
TABLE = TableRun(100_000_000, 100e9, MEASURED)
RUN = Run((TABLE,))


def swapped(items: int = 100_000_000, **settings: Any) -> Run:
    return Run((TableRun(items, items * 1000, MEASURED, Settings(load_strategy=Strategy.SWAP, **settings)),))


def near(value: float) -> Any:
    return pytest.approx(value, rel=0.001)


def evaluate(expression: str, **known: Any) -> Any:
    """An expression of the state machine, with the template's defaults."""
    for name, declared in TEMPLATE["Parameters"].items():
        expression = expression.replace(f"${{{name}}}", str(known.pop(name, declared.get("Default"))))
    compiled = jsonata.Jsonata(expression.removeprefix("{%").removesuffix("%}"))
    for name, value in known.items():
        compiled.assign(name, value)
    return compiled.evaluate(None)


@pytest.mark.parametrize(("limit", "most"), [(0, 40), (0, 150), (100, 40), (1280, 40)])
@pytest.mark.parametrize("table_bytes", [0, 1, 2**31, 2**31 + 1, 50e9, 100e9, 10e12])
def test_a_table_is_cut_as_the_state_machine_cuts_it(table_bytes: float, limit: int, most: int) -> None:
    (describe,) = (
        state for name, state in STATES["Refresh"]["Branches"][0]["States"].items() if name.startswith("Describe")
    )
    expression = STATES["PrepareRun"]["Assign"]["segmentLimit"]
    known = {
        "states": {"result": {"Table": {"TableSizeBytes": round(table_bytes)}}},
        "settings": {"maxItems": None},
        "segmentLimit": evaluate(expression, MaxReadUnitsPerSecond=limit, MaxSegments=most),
    }
    run = TableRun(1, table_bytes, MEASURED, Settings(read_units_per_second=limit, max_segments=most))
    assert run.segments == evaluate(describe["Assign"]["segments"], **known)
    assert run.chunk_bytes == evaluate(describe["Assign"]["chunkBytes"], **known)


@pytest.mark.parametrize("most", [1, 32, 40])
def test_a_table_uses_as_many_functions_as_the_state_machine_gives_it(most: int) -> None:
    found = evaluate(STATES["PrepareRun"]["Assign"]["functionLimit"], MaxFunctionsPerTable=most)
    assert found == Settings(functions_per_table=most).functions_at_once


def test_the_model_has_the_limits_of_the_generator() -> None:
    assert (Settings().run_chunks, Settings().run_functions) == (RUN_CHUNKS, RUN_FUNCTIONS)


def test_the_settings_are_those_of_the_template_and_the_library() -> None:
    settings = Settings()
    for name, parameter in PARAMETERS.items():
        assert getattr(settings, name) == read_parameter(name, TEMPLATE["Parameters"][parameter]["Default"]), name
    functions = TEMPLATE["Globals"]["Function"]
    assert (settings.memory_mb, settings.timeout_seconds) == (functions["MemorySize"], functions["Timeout"])
    assert (settings.tables, settings.part_bytes) == (len(STATES["Refresh"]["Branches"]), PART_BYTES)
    assert settings.segment_readers == READERS
    assert MACHINE["TimeoutSeconds"] == RUN_SECONDS


NEVER = 2**40  # bytes


@pytest.mark.parametrize(("table_bytes", "chunks", "copied"), [(0, 1, NEVER), (5 * 2**30, 2, NEVER), (5 * 2**30, 2, 0)])
def test_states_and_events_are_those_of_the_machine(table_bytes: int, chunks: int, copied: int) -> None:
    with Machine(handlers(chunks=chunks), around=sized(table_bytes), ParallelCopyBytes=copied) as machine:
        history = machine.history(machine.start({"tables": [FIRST]}))
    # Small responses, so that a chunk is what the fakes say: all of a segment, or half.
    size = (chunks - 0.5) * Settings().chunk_bytes
    segments = TableRun(1, table_bytes, MEASURED).segments
    measured = Measured(
        **vars(MEASURED) | {"response_bytes": size * segments / table_bytes * 1000 if table_bytes else 1}
    )
    run = Run((TableRun(1, table_bytes, measured, Settings(parallel_copy_bytes=copied)),))
    assert (run.segments, run.chunks) == (3 if table_bytes else 1, segments * chunks)
    assert run.events == len(history)
    assert run.transitions == sum(event["type"].endswith("StateEntered") for event in history)


def test_scans_wait_for_the_partitions_as_worked_by_hand() -> None:
    # 2.5 million items a segment, 4 GB of responses, in chunks of the table's share.
    assert RUN.chunks == 40 * math.ceil(4e9 / (100e9 / SHARE)) == 160
    # 12.2 million units at 30,000 a second take 407 seconds, for which 40 functions wait.
    assert RUN.read_units == near(12_207_031)
    assert TABLE.reading_seconds == near(40 * 406.9)
    assert TABLE.scan_seconds == near(16_276 + 500 + 40e9 / 85e6)
    limited = TableRun(100_000_000, 100e9, MEASURED, Settings(read_units_per_second=12_800))
    assert limited.reading_seconds == near(40 * 953.7)


def test_a_small_table_is_read_page_by_page() -> None:
    # 954 pages of 128 units, 42.7 ms each
    assert TableRun(1_000_000, 1e9, MEASURED).reading_seconds == near(953.7 * 0.04267)


def test_a_run_costs_what_was_worked_by_hand() -> None:
    lambda_seconds = (17_246.6 + 80) + (2_500 + 588.2 + 80) + (800 + 80) + (500 + 1)
    assert RUN.dollars == {
        "Lambda": near(1769 / 1024 * lambda_seconds * 0.0000166667 + 482 * 0.0000002),
        "Step Functions": near((7 + 2 * (len(TABLES) - 1) + 3 + 40 + 3 * 160 + 2 + 160) * 0.000025),
        # 250 MB raw are 30 parts, 62.5 MB staged 8, and two requests around each.
        "S3 requests": near(160 * (32 + 10) * 0.000005 + 320 * 0.0000004),
        "S3 storage": near(46.566 * 0.023 * 17 / 30.417),
        "DynamoDB reads": near(12.207 * 0.125),
    }
    assert RUN.total == near(2.805)
    assert RUN.seconds == near((17_246.6 + 3_088.2) / 40 + 800 / 4 + 500)


def test_large_items_cost_in_proportion_and_small_ones_as_much_as_the_benchmark_s() -> None:
    large, small = (Run((TableRun(items, 100e9, MEASURED),)) for items in (50_000_000, 200_000_000))
    assert large.total == RUN.total
    assert large.load_seconds == RUN.load_seconds
    assert small.load_seconds == 2 * RUN.load_seconds
    assert small.dollars["DynamoDB reads"] == RUN.dollars["DynamoDB reads"]


def test_an_empty_table_costs_almost_nothing() -> None:
    assert 0 < Run((TableRun(0, 0, MEASURED),)).total < 0.002


def test_a_chunk_ends_with_the_function_s_time_too() -> None:
    slow = TableRun(100_000_000, 100e9, MEASURED, assumed=Assumptions(table_units_per_second=3000))
    # 162,760 seconds for DynamoDB and 971 for work, in 40 segments, of 840 seconds a function
    assert slow.chunks == 40 * math.ceil(163_731 / 40 / 840)


def test_the_limit_that_binds_is_above_one() -> None:
    large = Run((TableRun(200_000_000, 200e9, MEASURED),))
    assert large.binding == ("time of the load with truncate, 840 s", near(1000 / 840))
    assert large.limits["events of an execution, 25,000"] == large.events / 25_000


def test_a_swap_is_called_again_until_its_indexes_are_built_and_has_no_limit() -> None:
    short, long = swapped(15_000_000), swapped()
    # 60 s for builds fit into a call; 400 s are 60, and four times 90 with the wait before.
    assert (short.publish_seconds, short.load_calls) == (60, 1)
    assert (long.publish_seconds, long.load_calls) == (400, 5)
    more = {name: getattr(long, name) - getattr(RUN, name) for name in ("invocations", "transitions", "events")}
    assert more == {"invocations": 4, "transitions": 4 * 3, "events": 4 * (5 + 2 + 2)}
    assert max(swapped(1_000_000_000).limits.values()) < 1


def test_functions_copy_at_the_same_time_but_are_paid_alike() -> None:
    alone, many = swapped(load_concurrency=1), swapped(load_concurrency=8)
    assert (alone.copying_seconds, many.copying_seconds) == (800, 100)
    assert alone.dollars == many.dollars


def test_the_disk_holds_what_each_strategy_keeps_until_its_commit() -> None:
    gigabytes = {run.settings.load_strategy: run.disk_bytes / 1e9 for run in (RUN, swapped())}
    assert gigabytes == {Strategy.TRUNCATE: 60 + 50 + 60, Strategy.SWAP: 3 * 60}
    assert swapped(keep_previous=False).disk_bytes == 2 * 60e9


def test_every_price_names_its_source() -> None:
    prices = [price for price in vars(PRICES).values() if isinstance(price, Price)]
    assert len(prices) == 7
    assert all(price.source.startswith("https://aws.amazon.com/") and price.check for price in prices)


def test_it_needs_the_standard_library_and_the_pipeline_only() -> None:
    code = "from demand.cost import *; print(Run((TableRun(10, 5000, Measured.load()),)).total > 0)"
    # -S: without installed packages
    command = [
        sys.executable,
        "-S",
        "-c",
        f"import sys; sys.path[:0] = {[str(ROOT), str(ROOT / 'layers/shared')]}; {code}",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env={})
    assert (result.stdout, result.stderr) == ("True\n", "")
