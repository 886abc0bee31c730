"""Any item becomes the row that the reference says, or a reject with a reason."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from demand_pipeline.builders import TABLES
from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.builders.metadata_builder import METADATA
from demand_pipeline.tables import Table
from demand_pipeline.transform.drift import DriftCounter
from demand_pipeline.transform.rows import RejectError, RowMaker
from tests.support.declarations import DECLARATIONS, ODD, case
from tests.support.drift import counts
from tests.support.reference import RejectedBy, expected_row
from tests.support.staged import staged_row
from tests.support.strategies import items

MAKERS = {name: RowMaker(table) for name, table in TABLES.items()}


def row_of(item: dict[str, Any], table: Table = CASES) -> dict[str, Any]:
    return staged_row(RowMaker(table).make(item).line, table)


def reason_of(item: dict[str, Any], table: Table = CASES) -> str:
    with pytest.raises(RejectError) as caught:
        RowMaker(table).make(item)
    return str(caught.value)


def comparable(value: Any) -> Any:
    """Decimals by their digits: 1.0 and 1.00 are equal, and must not pass for one another."""
    if isinstance(value, Decimal):
        return ("number", value.as_tuple())
    if isinstance(value, dict):
        return {name: comparable(content) for name, content in value.items()}
    return [comparable(element) for element in value] if isinstance(value, list) else (type(value).__name__, value)


def outcome(make: Callable[[dict[str, Any]], str], item: dict[str, Any]) -> str:
    try:
        return make(item)
    except RejectError as reject:
        return f"rejected: {reject}"


@DECLARATIONS
@settings(max_examples=400)
@given(data=st.data())
def test_any_item_becomes_the_row_the_reference_says_or_a_reject_that_names_its_column_and_counts_compiled_or_not(
    declarations: st.SearchStrategy[Table], data: st.DataObject
) -> None:
    table = data.draw(declarations)
    item = data.draw(items(table))
    maker, drift = RowMaker(table), DriftCounter(table)
    assert outcome(maker.line, item) == outcome(maker.slow_path, item)
    drift.count(item)
    assert counts(maker.drift) == counts(drift)
    try:
        expected, sanitized = expected_row(item, table)
    except RejectedBy as reject:
        with pytest.raises(RejectError, match=f"^{re.escape(reject.column)}: expected "):
            maker.make(item)
        return
    row = maker.make(item)
    assert comparable(staged_row(row.line, table)) == comparable(expected)
    assert row.sanitized == sanitized
    assert row.line.endswith("]\n")
    assert row.line.count("\n") == 1


SKU = {"M": {"sku": {"S": "A-1"}}}
CORNERS = {"L": [{"L": []}, {"L": [{"N": "7"}]}]}


@pytest.mark.parametrize(
    ("attributes", "values", "extra"),
    [
        ({"unit.price": {"M": {"in-net 1.5": {"S": "x"}}}}, {"dotted": "x"}, None),
        ({"unit": {"M": {"price": {"S": "x"}}}}, {"dotted": None}, {"unit": {"price": "x"}}),
        ({"lines": {"L": [SKU, {"S": "y"}]}}, {"first_sku": "A-1"}, {"lines": [{"sku": "A-1"}, "y"]}),
        ({"lines": {"L": []}}, {"first_sku": None}, {"lines": []}),
        ({"lines": {"L": [{"S": "x"}]}}, {"first_sku": None}, {"lines": ["x"]}),
        ({"lines": SKU}, {"first_sku": None}, {"lines": {"sku": "A-1"}}),
        ({"lines": {"M": {}}}, {"first_sku": None}, {"lines": {}}),
        ({"lines": {"SS": ["x"]}}, {"first_sku": None}, {"lines": ["x"]}),
        ({"lines": {"NULL": True}}, {"first_sku": None}, None),
        ({"tags": {"L": [{"S": "x"}, {"S": "y"}]}}, {"second_tag": "y", "tags": ["x", "y"]}, None),
        ({"tags": {"L": [{"S": "x"}]}}, {"second_tag": None, "tags": ["x"]}, None),
        ({"box": {"M": {"corners": CORNERS}}}, {"corner": 7}, {"box": {"corners": [[], [7]]}}),
        ({"box": {"M": {"corners": {"NULL": True}}}}, {"corner": None}, None),
    ],
)
def test_an_element_is_read_by_its_index_and_its_list_stays_whole(attributes: Any, values: Any, extra: Any) -> None:
    row = row_of(case(**attributes), ODD)
    assert {name: row[name] for name in values} == values
    assert row["extra"] == extra


@pytest.mark.parametrize(
    ("attribute", "value", "column", "expected"),
    [
        ("status", {"S": "paid"}, "status", "paid"),
        ("status", {"S": ""}, "status", ""),
        ("status", {"N": "12.50"}, "status", "12.50"),
        ("status", {"BOOL": True}, "status", "true"),
        ("status", {"NULL": True}, "status", None),
        ("pageCount", {"N": "10.0"}, "page_count", 10),
        ("pageCount", {"N": "1E+3"}, "page_count", 1000),
        ("pageCount", {"S": "9223372036854775807"}, "page_count", 2**63 - 1),
        ("pageCount", {"S": ""}, "page_count", None),
        ("isDuplicate", {"S": "TRUE"}, "is_duplicate", True),
        ("isDuplicate", {"N": "0"}, "is_duplicate", False),
        ("contentHash", {"B": "AAH/"}, "content_hash", b"\x00\x01\xff"),
        ("contentHash", {"S": "AAH/"}, "content_hash", b"\x00\x01\xff"),
        ("tags", {"SS": ["b", "a", "Z"]}, "tags", ["Z", "a", "b"]),
        ("tags", {"L": [{"S": "b"}, {"NULL": True}, {"S": 'a"\\,{}'}]}, "tags", ["b", None, 'a"\\,{}']),
        ("tags", {"L": []}, "tags", []),
        ("tags", {"L": [{"S": "NULL"}, {"S": ""}]}, "tags", ["NULL", ""]),
        ("lineItems", {"S": ""}, "line_items", ""),
        ("lineItems", {"L": [{"NULL": True}, {"NS": ["10", "9"]}]}, "line_items", [None, [Decimal(9), Decimal(10)]]),
    ],
)
def test_a_value_of_a_type_the_column_takes(attribute: str, value: Any, column: str, expected: Any) -> None:
    assert row_of(case(**{attribute: value}))[column] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"S": "2026-11-23T10:00:00"}, "2026-11-23T10:00:00+00:00"),
        ({"S": "2026-11-23T10:00:00+05:30"}, "2026-11-23T04:30:00+00:00"),
        ({"S": "2026-11-23"}, "2026-11-23T00:00:00+00:00"),
        ({"N": "1775025072"}, "2026-04-01T06:31:12+00:00"),
        ({"N": "1775025072123"}, "2026-04-01T06:31:12.123000+00:00"),
        ({"N": "1775025072.1234569"}, "2026-04-01T06:31:12.123456+00:00"),
        ({"N": "1775025072123.4567"}, "2026-04-01T06:31:12.123456+00:00"),
        ({"N": "99999999999"}, "5138-11-16T09:46:39+00:00"),
        ({"N": "100000000000"}, "1973-03-03T09:46:40+00:00"),
        ({"N": "1775025072.000001"}, "2026-04-01T06:31:12.000001+00:00"),
        ({"N": "-0.5"}, "1969-12-31T23:59:59.500000+00:00"),
        ({"N": "-62135596800"}, "0001-01-01T00:00:00+00:00"),
        ({"N": "-1.0000005"}, "1969-12-31T23:59:59+00:00"),
    ],
)
def test_a_timestamp_is_utc_whatever_it_was(value: Any, expected: str) -> None:
    assert row_of(case(receivedAt=value))["received_at"].isoformat() == expected


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("issueDate", {"S": "31/12/2026"}, "issue_date: expected date, got S '31/12/2026'"),
        ("issueDate", {"N": "20261231"}, "issue_date: expected date, got N '20261231'"),
        ("pageCount", {"N": "1.5"}, "page_count: expected bigint, got N '1.5'"),
        ("pageCount", {"S": "9223372036854775808"}, "page_count: expected bigint, got S '9223372036854775808'"),
        ("pageCount", {"S": " 1"}, "page_count: expected bigint, got S ' 1'"),
        ("isDuplicate", {"N": "2"}, "is_duplicate: expected boolean, got N '2'"),
        ("receivedAt", {"N": "1E+30"}, "received_at: expected timestamptz, got N '1E+30'"),
        ("receivedAt", {"N": "253402300800000"}, "received_at: expected timestamptz, got N '253402300800000'"),
        ("tags", {"L": [{"N": "1"}]}, "tags: expected text[], got L [1]"),
        ("contentHash", {"S": "not base64"}, "content_hash: expected bytea, got S 'not base64'"),
        ("status", {"M": {"a": {"S": "b"}}}, 'status: expected text, got M {"a":"b"}'),
    ],
)
def test_a_reject_names_column_expected_type_and_found_value(attribute: str, value: Any, reason: str) -> None:
    assert reason_of(case(**{attribute: value})) == reason


def test_a_reason_is_cut_to_200_characters() -> None:
    assert len(reason_of(case(issueDate={"S": "x" * 1000}))) == 200


@pytest.mark.parametrize("item", [{}, {"documentId": {"NULL": True}}], ids=["missing", "null"])
def test_a_key_that_is_missing_or_null_is_a_reject(item: dict[str, Any]) -> None:
    assert reason_of(item).startswith("document_id: expected text, got ")


def test_a_key_too_long_for_the_index_is_a_reject() -> None:
    item = {"documentId": {"S": "d" * 2048}, "fieldName": {"S": "f" * 1024}}
    assert reason_of(item, METADATA).startswith("key: expected at most 2600 bytes")
    assert row_of({"documentId": {"S": "d" * 2048}})["document_id"] == "d" * 2048


@pytest.mark.parametrize("number", ["1" * 38, "0." + "1" * 38, "1E-130", "-9.99E+125"])
def test_38_digits_are_exact_in_columns_and_inside_jsonb(number: str) -> None:
    line = MAKERS["cases"].make(case(amounts={"M": {"net": {"N": number}}}, lineItems={"L": [{"N": number}]})).line
    cells = json.loads(line, parse_float=str, parse_int=str)
    by_name = dict(zip([column.name for column in CASES.stored_columns], cells, strict=True))
    assert by_name["net_amount"] == number
    assert by_name["line_items"] == f"[{number}]"


@pytest.mark.parametrize(
    ("attributes", "extra"),
    [
        ({"amounts": {"M": {"net": {"N": "1"}}}}, None),
        (
            {"amounts": {"M": {"net": {"N": "1"}, "rounding": {"N": "0.10"}}}},
            {"amounts": {"rounding": Decimal("0.10")}},
        ),
        ({"amounts": {"M": {}}}, None),
        ({"amounts": {"NULL": True}}, None),
        ({"amounts": {"S": "none"}}, {"amounts": "none"}),
        ({"parties": {"M": {"supplier": {"M": {"name": {"S": "x"}}}}}}, None),
        ({"parties": {"M": {"supplier": {"S": "x"}}}}, {"parties": {"supplier": "x"}}),
        ({"parties": {"M": {"carrier": {"M": {}}}}}, {"parties": {"carrier": {}}}),
        ({"amounts.net": {"N": "1"}, "unknown": {"NULL": True}}, {"amounts.net": Decimal(1), "unknown": None}),
    ],
)
def test_what_no_column_reads_is_kept_in_extra_under_the_same_path(attributes: Any, extra: Any) -> None:
    assert row_of(case(**attributes))["extra"] == extra


def test_a_string_where_a_map_is_expected_leaves_the_columns_null() -> None:
    assert row_of(case(amounts={"S": "none"}))["net_amount"] is None


@pytest.mark.parametrize("attribute", ["status", "unknown", "lineItems"])
def test_u0000_becomes_ufffd_and_the_row_counts_as_sanitized(attribute: str) -> None:
    row = MAKERS["cases"].make(case(**{attribute: {"S": "a\0b"}}))
    assert row.sanitized
    assert "a\ufffdb" in row.line
    assert not MAKERS["cases"].make(case(**{attribute: {"S": "a\\u0000b"}})).sanitized


@pytest.mark.parametrize("key", ["a\0", "\ud800b"], ids=["U+0000", "half a surrogate pair"])
def test_a_key_that_postgresql_cannot_store_is_rejected(key: str) -> None:
    expected = r"^document_id: expected text without U\+0000 or half a surrogate pair, got S '"
    with pytest.raises(RejectError, match=expected):
        MAKERS["cases"].make(case(documentId={"S": key}))


@given(text=st.text())
def test_text_survives_whatever_it_holds(text: str) -> None:
    assume("\0" not in text)
    row = row_of(case(status={"S": text}, tags={"L": [{"S": text}]}, lineItems={"M": {text: {"S": text}}}))
    assert (row["status"], row["tags"], row["line_items"]) == (text, [text], {text: text})


@pytest.mark.parametrize(
    ("key", "fits"),
    [("\n" * 2048, True), ("🌻" * 512, True), ('"\\' * 1300, True), ("é" * 1301, False)],
    ids=["line breaks", "emoji", "quotes", "too long"],
)
def test_a_keys_length_is_that_of_its_bytes_in_postgresql(key: str, fits: bool) -> None:
    if fits:
        assert row_of({"documentId": {"S": key}})["document_id"] == key
    else:
        assert reason_of({"documentId": {"S": key}}).startswith("key: expected at most 2600 bytes")


def net(text: str) -> dict[str, Any]:
    return case(amounts={"M": {"net": {"S": text}}})


# PostgreSQL: "up to 131072 digits before the decimal point; up to 16383 digits after the decimal point".
@pytest.mark.parametrize(
    ("largest", "larger"),
    [
        ("9" * 131_072, "9" * 131_073),
        ("1E+131071", "1E+131072"),
        ("1." + "0" * 16_383, "1." + "0" * 16_384),
        ("1E-16383", "1E-16384"),
        ("0E-16383", "0E-16384"),
    ],
    ids=["digits before the point", "exponent", "digits after it", "negative exponent", "of zero"],
)
def test_a_number_has_as_many_digits_as_postgresql_takes(largest: str, larger: str) -> None:
    assert row_of(net(largest))["net_amount"].as_tuple() == Decimal(largest).as_tuple()
    assert reason_of(net(larger)).startswith("net_amount: expected numeric, got S '")


@pytest.mark.parametrize("text", [".", "-", "+", "-.", "E5", "+.e-1"])
def test_a_number_without_digits_is_none(text: str) -> None:
    assert reason_of(net(text)) == f"net_amount: expected numeric, got S {text!r}"
    assert reason_of(case(pageCount={"S": text})) == f"page_count: expected bigint, got S {text!r}"


@pytest.mark.parametrize("text", ["AA", "AA=", "AA==AA==", "A\nA==", "AA==\n", "A-A_", "=AAA", "é==="])
@pytest.mark.parametrize("kind", ["B", "S"], ids=["compiled code", "the column's cell"])
def test_base64_is_taken_strictly(kind: str, text: str) -> None:
    assert reason_of(case(contentHash={kind: text})) == f"content_hash: expected bytea, got {kind} {text!r}"


@pytest.mark.parametrize("zero", ["0e999999999", "-0e-16383", "0E+125"])
def test_zero_is_zero_whatever_its_exponent(zero: str) -> None:
    assert row_of(case(pageCount={"S": zero}))["page_count"] == 0
