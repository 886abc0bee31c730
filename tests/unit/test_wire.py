"""Scan responses read item by item."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demand_pipeline.wire import PageSummary, iterate_items, summarize_page
from tests.unit.strategies import TEXT, VALUE

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
    assert summarize_page(body) == PageSummary(items=len(items), read_units=1.5, next_key=key)


def test_a_page_without_items_or_capacity_counts_none() -> None:
    assert summarize_page(b"{}") == PageSummary(items=0, read_units=0, next_key=None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"Items":[',
        b'{"Items":[{}',
        b'{"Items":[{} {}]}',
        b'{"Items":{}}',
        b'{"Items":[]',
        b'{"a" 1}',
        b"{1:2}x",
    ],
)
def test_what_is_no_scan_response_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="no Scan response"):
        list(iterate_items(body))
