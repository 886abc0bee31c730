"""Past items leave little in memory, whatever their names and values are."""

import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.load.copy import csv_lines
from demand_pipeline.transform.rows import RowMaker
from tests.support.declarations import case

ITEMS = 300
LONG = 100_000
MAX_BYTES = 8_000_000  # of the 30 MB and more that the texts of all items take

ODD_ITEMS: dict[str, Callable[[int], dict[str, Any]]] = {
    "names of its own": lambda n: case(**{f"{n}.{i}": {"S": ""} for i in range(LONG // 50)}),
    "long names": lambda n: case(**{f"{n}🌻" + "x" * (LONG // 3): {"S": ""}}),
    "long names in a map": lambda n: case(amounts={"M": {f"{n}🌻" + "x" * (LONG // 3): {"S": ""}}}),
    "long dates": lambda n: case(issueDate={"S": f"2026-11-23T10:00:00.{n:0{LONG}}"}),
    "long numbers": lambda n: case(pageCount={"N": f"{n}.{0:0{LONG}}"}),
}


@contextmanager
def keeping_little() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[0] < MAX_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("odd", ODD_ITEMS)
def test_a_transform_keeps_little_of_any_items(odd: str) -> None:
    maker = RowMaker(CASES)
    with keeping_little():
        for number in range(ITEMS):
            assert json.loads(maker.make(ODD_ITEMS[odd](number)).line)[0] == "doc-1"


def test_a_copy_keeps_little_of_any_rows() -> None:
    with keeping_little():
        for number in range(ITEMS):
            row = json.dumps(["\1" * (LONG // 6 + number)]).encode() + b"\n"
            assert sum(map(len, csv_lines.from_staged(io.BytesIO(row)))) == LONG // 6 + number + len('""\n')
