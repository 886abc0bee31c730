"""Scan responses read item by item."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demand_pipeline.dynamodb.typed_json import PageSummary, iterate_items, summarize_page, summarize_whole_page
from tests.support.strategies import TEXT, VALUE

ITEMS = st.lists(st.dictionaries(TEXT, VALUE, max_size=3), max_size=4)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


@given(items=ITEMS, separators=SEPARATORS, items_first=st.booleans(), key=st.none() | st.just({"id": {"S": '"],'}}))
def test_a_page_gives_its_items_and_its_envelope_in_any_order_and_layout(
    items: list[Any], separators: tuple[str, str], items_first: bool, key: Any
) -> None:
    page: dict[str, Any] = {"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 1.5}, "Count": len(items)}
    page = {"Items": items, **page} if items_first else {**page, "Items": items}
    if key:
        page["LastEvaluatedKey"] = key
    body = json.dumps(page, separators=separators).encode()
    assert list(iterate_items(body)) == items
    summary = PageSummary(items=len(items), read_units=1.5, next_key=key)
    assert summarize_page(body) == summary
    assert summarize_whole_page(body) == summary


# What could be taken for the end of the items where it stands inside of one.
MISLEADING = [
    {"id": {"S": '],"Count":7,"Items":['}},
    {"id": {"S": "],"}, "Count": {"N": "7"}},
    {"id": {"L": [{"SS": ["],"]}]}, "Count": {"L": []}, "LastEvaluatedKey": {"M": {}}},
    {"Items": {"L": []}, "Count": {"N": "7"}},
    {'"Items":[': {"S": "]}"}},
]


@pytest.mark.parametrize("misleading", MISLEADING)
@pytest.mark.parametrize("items_last", [False, True])
def test_no_item_is_taken_for_the_end_of_the_items(misleading: Any, items_last: bool) -> None:
    items = [misleading, {"id": {"S": "2"}}, misleading]
    envelope = {"Count": 3, "LastEvaluatedKey": misleading, "ConsumedCapacity": {"CapacityUnits": 2}}
    page = {**envelope, "Items": items} if items_last else {"Items": items, **envelope}
    body = json.dumps(page, separators=(",", ":")).encode()
    assert summarize_whole_page(body) == PageSummary(items=3, read_units=2, next_key=misleading)


def test_a_whole_page_is_summarized_without_its_items_being_parsed() -> None:
    body = b'{"Count":2,"Items":[' + b"no JSON" * 20_000 + b'],"LastEvaluatedKey":{"id":{"S":"2"}},"ScannedCount":2}'
    assert summarize_whole_page(body) == PageSummary(items=2, read_units=0, next_key={"id": {"S": "2"}})


def test_a_page_without_items_or_capacity_counts_none() -> None:
    assert summarize_page(b"{}") == PageSummary(items=0, read_units=0, next_key=None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "it ends too early, after 0 characters"),
        (b"[]", "expected '{' at character 0"),
        (b'{"Items":[', "it ends too early, after 10 characters"),
        (b'{"Items":[{}', "it ends too early, after 12 characters"),
        (b'{"Items":[{} {}]}', "expected ',' at character 13"),
        (b'{"Items":[{},damaged]}', "expected an item at character 13"),
        (b'{"Items":{}}', "expected '[' at character 9"),
        (b'{"Items":[]', "it ends too early, after 11 characters"),
        (b'{"a" 1}', "expected ':' at character 5"),
        (b"{1:2}", "expected a member's name, got 1"),
        (b'{"a":1}x', "trailing data at character 7"),
    ],
)
def test_what_is_no_scan_response_is_a_value_error_that_says_where(body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^not a Scan response: {re.escape(message)}$"):
        list(iterate_items(body))
