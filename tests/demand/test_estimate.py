"""`demand estimate`: the sizes that DynamoDB reports, the deployment's settings, and the size of items as JSON."""

import re

import pytest

from demand import permissions
from demand.cli.estimate import _facts
from demand.cost import Settings
from demand.estimate import json_sizes, of_sizes, settings_of
from demand.sources import Source
from demand.stack import Stack
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from local.seed import create_table
from tests.demand.conftest import Demand
from tests.demand.deployed import counting, deployed
from tests.support.report_facts import run

NAMES = tuple(TABLES)
GIGABYTE = 2**30


def sources(*gigabytes: float) -> list[Source]:
    return [Source(name, name, 1000, int(size * GIGABYTE)) for name, size in zip(NAMES, gigabytes, strict=False)]


def test_a_run_of_several_tables_shares_what_each_alone_would_pay() -> None:
    both, alone = of_sizes(sources(3, 3), Settings()), of_sizes(sources(3), Settings())
    assert (both.chunks, both.read_units) == (2 * alone.chunks, 2 * alone.read_units)
    assert alone.total < both.total < 2 * alone.total
    assert alone.seconds < both.seconds < 2 * alone.seconds  # staged in parallel, loaded one after the other


def test_the_limit_that_binds_comes_first() -> None:
    first, *_ = of_sizes(sources(500), Settings()).limits
    assert (first.name, first.share > 1) == ("time of the load with truncate, 840 s", True)
    swapped = of_sizes(sources(500), Settings(load_strategy=Strategy.SWAP))
    assert swapped.limits[0].share < 1
    assert [limit.share for limit in of_sizes(sources(1), Settings()).limits] == sorted(
        (limit.share for limit in of_sizes(sources(1), Settings()).limits), reverse=True
    )


@pytest.mark.parametrize("strategy", Strategy)
def test_a_long_wait_of_readers_is_told_with_the_strategies_that_avoid_it(strategy: Strategy) -> None:
    wait = strategy is Strategy.TRUNCATE
    found = of_sizes(sources(5), Settings(load_strategy=strategy))
    shown = " ".join(str(value) for name, value in _facts(found) if name == "readers wait")
    assert (found.readers_wait_seconds > 10) == wait
    assert ("merge or swap" in shown) == wait


def test_items_that_are_large_as_json_make_more_chunks() -> None:
    settings = Settings(chunk_bytes=2**20)
    counts = {"table": NAMES[0], "scanned": 1000, "readUnits": 131_072, "bytes": 3 * GIGABYTE}
    known = json_sizes([run(output={"tables": [counts]})])
    assert known == {NAMES[0]: 3.0}
    usual, large = (of_sizes(sources(1), settings, sizes).chunks for sizes in ({}, known))
    assert large > usual
    capped = run(input={"maxItems": 5}, output={"tables": [counts]})
    few = run(output={"tables": [counts | {"readUnits": 2}]})
    assert json_sizes([capped, few]) == {}


def test_the_command_asks_for_descriptions_only_and_names_tables_without_a_size(demand: Demand) -> None:
    with deployed(counting()) as stack:
        demand("run")
        for table in TABLES.values():
            create_table(stack.client("dynamodb"), table.source, table)
        stack.calls.clear()
        said = demand("estimate", "--json")
        assert set(stack.calls) == {permission.action for permission in permissions.COMMANDS["estimate"]}
        shown = demand("estimate", "--tables", NAMES[1])
    assert [table["table"] for table in said.json["tables"]] == list(NAMES)
    assert said.json["unknown"] == list(NAMES)
    assert 0 < said.json["total"] < 0.01
    assert re.search(r"\btakes +under a minute\b", shown.out)
    assert f"{NAMES[1]}: DynamoDB reports no size" in shown.err
    assert NAMES[0] not in shown.out


def test_a_source_that_does_not_exist_is_named(demand: Demand) -> None:
    with deployed(counting()):
        said = demand("estimate", "--json")
    assert (said.code, said.json["error"]["kind"]) == (2, "UnknownTable")
    assert (
        f"no DynamoDB table arn:aws:dynamodb:eu-west-1:123456789012:table/{TABLES[NAMES[0]].source}"
        in (said.json["error"]["message"])
    )


def test_the_settings_are_the_stack_s() -> None:
    parameters = {"MinSegments": "3", "ChunkBytes": "7", "LoadStrategy": "swap", "KeepPrevious": "false"}
    stack = Stack("name", "eu-west-1", {}, parameters, lambda service: service)
    assert settings_of(stack) == Settings(
        min_segments=3, chunk_bytes=7, load_strategy=Strategy.SWAP, keep_previous=False
    )
