"""Unexpected attributes are counted by path and type, without values, on both the fast and the slow path."""

import contextlib
from typing import Any

import pytest

from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.transform import drift
from demand_pipeline.transform.drift import MAX_ATTRIBUTES, NONE, OTHERS, DriftCounter, path_text
from demand_pipeline.transform.rows import RejectError, RowMaker
from tests.support.declarations import case
from tests.support.drift import counts


def converted(*found: dict[str, Any]) -> dict[tuple[str, str], int]:
    maker = RowMaker(CASES)
    for item in found:
        with contextlib.suppress(RejectError):
            maker.make(item)
    return counts(maker.drift)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (case(), {}),
        (case(status={"S": "open"}, caseId={"NULL": True}, tags={"L": [{"S": "a"}]}), {}),
        (case(note={"S": "x"}, size={"N": "1"}), {("note", "S"): 1, ("size", "N"): 1}),
        (case(amounts={"M": {"net": {"N": "1"}, "tip": {"N": "2"}}}), {("amounts.tip", "N"): 1}),
        (case(amounts={"M": {"tip": {"S": "2"}}}, note={"BOOL": True}), {("amounts.tip", "S"): 1, ("note", "BOOL"): 1}),
        (case(status={"N": "1"}), {("status", "N"): 1}),
        (case(amounts={"M": {"net": {"S": "1.5"}}}), {("amounts.net", "S"): 1}),
        (case(amounts={"S": "none"}), {("amounts", "S"): 1}),
        (case(issueDate={"N": "1"}, note={"S": "x"}), {("issueDate", "N"): 1, ("note", "S"): 1}),
        (case(note={"S": "x\0y"}, status={"BOOL": True}), {("note", "S"): 1, ("status", "BOOL"): 1}),
        ({"note": {"S": "x"}}, {("note", "S"): 1}),
    ],
    ids=["usual", "usual types", "unread", "rest of a map", "both", "accepted", "in a map", "no map", "reject",
         "sanitized", "no key"],
)  # fmt: skip
def test_each_item_counts_once_for_each_attribute_that_is_not_read_or_of_another_type(
    item: dict[str, Any], expected: dict[tuple[str, str], int]
) -> None:
    assert converted(item) == expected
    assert converted(item, case(), item) == dict.fromkeys(expected, 2)


def test_the_number_of_attributes_is_bounded_whatever_their_names() -> None:
    made_of_data = [case(**{f"item {number}": {"S": "x"}, f"y{number}": {"N": "1"}}) for number in range(2000)]
    found = converted(*made_of_data, case(**{"n" * 1000: {"S": "x"}}))
    assert len(found) == MAX_ATTRIBUTES + 1
    assert found.pop((OTHERS, "")) == 4001 - MAX_ATTRIBUTES
    assert set(found.values()) == {1}


def test_shapes_are_folded_into_counts_before_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "_MAX_SHAPES", 2)
    names = ("a", "b", "c", "a", "b", "a")
    assert converted(*(case(**{name: {"S": "x"}}) for name in names)) == {("a", "S"): 3, ("b", "S"): 2, ("c", "S"): 1}


def test_a_column_is_absent_as_long_as_no_item_has_a_value_for_it() -> None:
    counter = DriftCounter(CASES)
    for item in (case(status={"NULL": True}), case(amounts={"M": {"net": {"N": "1"}}})):
        counter.look(item)
    absent = {path: items for path, kind, items in counter.result(2) if kind == NONE}
    assert "documentId" not in absent
    assert "amounts.net" not in absent
    assert (absent["status"], absent["amounts.tax"]) == (2, 2)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("amounts", "net"), "amounts.net"),
        (("unit.price",), '"unit.price"'),
        (("größe", 'a"b\n'), 'größe."a\\"b\\n"'),
        (("\0", ""), '"\ufffd".""'),
    ],
)
def test_a_path_is_one_line_that_postgresql_can_store_and_no_other_path_has(path: tuple[str, ...], text: str) -> None:
    assert path_text(path) == text
