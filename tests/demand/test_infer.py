"""`demand infer`: the types that a person would choose, in text that stays a declaration whatever the items hold."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import boto3
import pytest
from markdown_it import MarkdownIt
from moto import mock_aws

from demand.infer import Limits, infer
from demand.infer.choose import misfits, words
from demand.infer.declaration import literal, load
from demand.infer.declare import declare
from demand.infer.made_up import made_up
from demand.infer.sample import Sample, SourceTable, as_sent, read_sample
from demand_pipeline.builders import TABLES
from demand_pipeline.scan.segment import RateLimiter
from demand_pipeline.tables import ColumnType, Table
from demand_pipeline.transform.rows import RowMaker
from local import sample as local
from local.sample_values import numbered
from scripts import data_dictionary
from tests.demand.conftest import Demand
from tests.support.aws import REGION

SHIPMENTS = "Prod.Shipments-v2"
ITEMS = 200
WIDE = Limits(items=2000, read_units=10_000, read_units_per_second=0)


@pytest.fixture
def dynamodb(environment: None) -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("dynamodb", region_name=REGION)


def shipment(number: int) -> dict[str, Any]:
    """A carrier's item: people, and three programs, wrote the table."""
    day = 1 + number % 28
    item: dict[str, Any] = {
        "shipmentId": {"S": f"SHP-{number:06}"},
        "leg": {"N": str(1 + number % 3)},
        "customerNumber": {"N": str(70_000_000 + number)},
        "postcode": {"S": f"{number % 100:02}099"},
        "phone": {"S": f"+49 351 {number:07}"},
        "declaredPrice": {"S": f"{number}.50"},
        "insuredAmount": {"N": str(100 * number)},
        "weightKg": {"N": f"{number % 40}.{number % 10}5"},
        "pieces": {"N": str(1 + number % 9)},
        "isFragile": {"N": str(number % 2)},
        "hasCustoms": {"S": "true" if number % 3 else "False"},
        "delivered": {"BOOL": bool(number % 2)},
        "createdAt": {"N": str(1_760_000_000_000 + 61_000 * number)},
        "ttl": {"N": str(1_790_000_000 + number)},
        "serial": {"N": str(1_700_000_000 + number)},
        "pickedUpAt": {"S": f"2026-10-{day:02}T08:{number % 60:02}:00+02:00"},
        "eta": {"S": f"2026-10-{day:02} 17:00:00"},
        "promisedOn": {"S": f"2026-11-{day:02}"},
        "printedOn": {"S": f"{day:02}.11.2026"},
        "labels": {"SS": sorted({"cold", f"zone-{number % 5}"})},
        "dimensions": {"L": [{"N": "40"}, {"N": str(number)}, {"NULL": True}]},
        "route": {"L": [{"S": "DRS"}, {"S": "LEJ"}]},
        "events": {"L": [{"M": {"at": {"N": "1"}, "what": {"S": "scan"}}}]},
        "signature": {"B": number.to_bytes(8)},
        "notes": {"S": "" if number % 2 else "leave at the door, 12,50 due"},
        "carrierPayload": {"M": {"raw": {"S": "x"}}},
        "reading": {"N": str(number)} if number % 3 else {"S": "n/a"},
        "recipient": {
            "M": {"name": {"S": "Jo"}, "address": {"M": {"city": {"S": "Köln"}, "geo": {"M": {"lat": {"N": "51"}}}}}}
        },
        "measurements": {"M": {f"sensor-{number % 30}": {"N": "1.5"}}},
    }
    if number % 50 == 7:
        item["promisedOn"] = {"S": "soon"}
    if number % 4 == 0:
        del item["eta"]
        item["weightKg"] = {"NULL": True}
    if number % 25 == 0:
        item["legacyCode"] = {"S": "L"}
    return item


# What a person chooses who knows the carrier.
SHIPMENT_TYPES = {
    "shipmentId": ColumnType.TEXT,
    "leg": ColumnType.BIGINT,
    "customerNumber": ColumnType.BIGINT,
    "postcode": ColumnType.TEXT,
    "phone": ColumnType.TEXT,
    "declaredPrice": ColumnType.NUMERIC,
    "insuredAmount": ColumnType.NUMERIC,
    "weightKg": ColumnType.NUMERIC,
    "pieces": ColumnType.BIGINT,
    "isFragile": ColumnType.BOOLEAN,
    "hasCustoms": ColumnType.BOOLEAN,
    "delivered": ColumnType.BOOLEAN,
    "createdAt": ColumnType.TIMESTAMPTZ,
    "ttl": ColumnType.TIMESTAMPTZ,
    "serial": ColumnType.BIGINT,
    "pickedUpAt": ColumnType.TIMESTAMPTZ,
    "eta": ColumnType.TIMESTAMPTZ,
    "promisedOn": ColumnType.DATE,
    "printedOn": ColumnType.TEXT,
    "labels": ColumnType.TEXT_ARRAY,
    "dimensions": ColumnType.NUMERIC_ARRAY,
    "route": ColumnType.TEXT_ARRAY,
    "events": ColumnType.JSONB,
    "signature": ColumnType.BYTEA,
    "notes": ColumnType.TEXT,
    "carrierPayload": ColumnType.JSONB,
    "reading": ColumnType.TEXT,
    "recipient.name": ColumnType.TEXT,
    "recipient.address.city": ColumnType.TEXT,
    "recipient.address.geo.lat": ColumnType.NUMERIC,
    "measurements": ColumnType.JSONB,
}


def create(dynamodb: Any, name: str, keys: dict[str, str], items: Iterator[dict[str, Any]]) -> None:
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()],
        KeySchema=[{"AttributeName": key, "KeyType": role} for key, role in zip(keys, ("HASH", "RANGE"), strict=False)],
    )
    for item in items:
        dynamodb.put_item(TableName=name, Item=item)


def shares(found: dict[str, ColumnType], expected: dict[str, ColumnType]) -> tuple[float, dict[str, Any]]:
    wrong = {path: (found.get(path), kind) for path, kind in expected.items() if found.get(path) is not kind}
    return 1 - len(wrong) / len(expected), wrong


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_at_least_95_percent_of_the_types_are_those_of_the_declaration(table: Table) -> None:
    keys = {column.attribute: next(iter(numbered(column, 1))) for column in table.key}
    items = [as_sent(item) for other, item in local.Sample(300) if other is table]
    found = declare(Sample(SourceTable(table.source, "", keys, len(items)), items))
    expected = {".".join(map(str, column.path)): column.type for column in table.columns}
    share, wrong = shares({column.place: column.type for column in found.columns}, expected)
    assert share >= 0.95, wrong
    assert [column.place for column in found.columns if column.key] == [column.attribute for column in table.key]
    assert found.reject_share < 0.01


def test_at_least_95_percent_of_the_types_of_another_table_are_a_person_s(dynamodb: Any) -> None:
    create(dynamodb, SHIPMENTS, {"shipmentId": "S", "leg": "N"}, map(shipment, range(ITEMS)))
    found = infer(dynamodb, SHIPMENTS, WIDE)
    share, wrong = shares({column.place: column.type for column in found.columns}, SHIPMENT_TYPES)
    assert share >= 0.95, wrong
    assert [column.place for column in found.rare] == ["legacyCode"]
    assert (found.items, found.complete, found.table) == (ITEMS, True, "prod_shipments_v2")
    by_place = {column.place: column for column in found.columns}
    assert by_place["eta"].presence == 0.75
    assert by_place["weightKg"].nulls == 0.25
    assert by_place["printedOn"].formats == (("day.month.year", 1.0),)
    assert by_place["promisedOn"].doubts == ('2% would be rejected, of a shape such as S "abcd"',)
    assert "could be times since 1970" in by_place["serial"].doubts[0]
    assert [(reject.reason, reject.items) for reject in found.rejects] == [("promised_on: expected date", 4)]
    # What was written is what was tried.
    maker = RowMaker(load(found.text))
    assert json.loads(maker.make(shipment_as_sent(1)).line)[:3] == ["SHP-000001", 2, 70_000_001]


def shipment_as_sent(number: int) -> dict[str, Any]:
    return shipment(number) | {"signature": {"B": "AAAAAAAAAAE="}}


HOSTILE = ['"""', "'''\"", "a\nimport os", "\u2028x = 1", "tab\tname", "dotted.name", "lines[0]", "ü", "x" * 200, "\\", "__class__", "extra", "ctid"]  # fmt: skip


def test_hostile_names_and_values_stay_strings_of_the_declaration(dynamodb: Any) -> None:
    item = {name: {"S": f"{name}\n)\nraise SystemExit  # {name}"} for name in HOSTILE}
    item["mixed"] = {"S": '"), exit(), ("\n'}
    items = [{"id": {"S": str(number)}, **item, "n": {"N": "1"} if number else {"S": '1\n"""'}} for number in range(30)]
    create(dynamodb, "odd.table-1", {"id": "S"}, iter(items))
    found = infer(dynamodb, "odd.table-1", WIDE)
    table = load(found.text)
    assert {column.path for column in table.columns} == {(name,) for name in (*HOSTILE, "mixed", "id", "n")}
    assert all(
        line.lstrip().startswith(("#", "Column(")) for line in found.text.split("columns=(\n")[1].splitlines()[:-2]
    )
    assert (found.rejected, len(found.columns)) == (1, len(table.columns))


def test_no_more_is_read_than_the_limits_allow(dynamodb: Any) -> None:
    create(dynamodb, "plain", {"id": "S"}, ({"id": {"S": str(number)}} for number in range(300)))
    assert len(read_sample(dynamodb, "plain", Limits(25, 1000, 0)).items) == 25
    waited: list[float] = []
    limiter = RateLimiter(2, clock=lambda: 0.0, sleep=waited.append)
    sample = read_sample(dynamodb, "plain", Limits(300, 3, 2), limiter)
    assert 0 < sample.read_units <= 4
    assert not sample.complete
    assert waited[-1] == pytest.approx(sample.read_units / 2)


def texts(value: Any) -> Iterator[str]:
    """All strings in a typed value, but for the names in its maps."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from texts(member)


def test_values_of_the_items_are_in_the_declaration_only_if_asked_for(dynamodb: Any) -> None:
    create(dynamodb, SHIPMENTS, {"shipmentId": "S", "leg": "N"}, map(shipment, range(ITEMS)))
    real = {text for number in range(ITEMS) for value in shipment(number).values() for text in texts(value)}
    telling = {text for text in real if len(text) > 3 and text.lower() not in ("true", "false")}
    for asked in (False, True):
        found = infer(dynamodb, SHIPMENTS, WIDE, real_examples=asked)
        shown = {text for text in telling if literal(text) in found.text}
        assert (len(shown) > 20) is asked
        assert len(shown) == 0 or asked
        assert all(column.examples for column in found.columns)
        assert found.columns[1].name == "leg"


@pytest.mark.parametrize(
    ("column_type", "real", "made"),
    [
        (ColumnType.TEXT, {"S": "Jo.Smith7@example.com"}, {"S": "Aa.Bbcde1@fghijkl.mno"}),
        (ColumnType.TEXT, {"S": "Zoë, 東京 ٣"}, {"S": "Aab, cd 1"}),
        (ColumnType.DATE, {"S": "2031-12-24"}, {"S": "2026-03-31"}),
        (ColumnType.TIMESTAMPTZ, {"S": "2031-12-24 08:15:59.25-07:30"}, {"S": "2026-03-31 06:30:00.00-00:00"}),
        (ColumnType.TIMESTAMPTZ, {"S": "20311224T081559Z"}, {"S": "20260331T063000Z"}),
        (ColumnType.TIMESTAMPTZ, {"N": "1893456000123"}, {"N": "1774938600000"}),
        (ColumnType.NUMERIC, {"N": "-0.050"}, {"N": "-1.234"}),
        (ColumnType.NUMERIC, {"S": "7E+5"}, {"S": "1E+2"}),
        (ColumnType.BIGINT, {"N": "9223372036854775807"}, {"N": "1234567890123456789"}),
        (ColumnType.BOOLEAN, {"S": "False"}, {"S": "False"}),
        (ColumnType.BYTEA, {"B": "c2VjcmV0"}, {"B": "AAECAwQF"}),
        (ColumnType.BYTEA, {"S": "c2VjcmV0"}, {"S": "AAECAwQF"}),
        (ColumnType.TEXT_ARRAY, {"SS": ["jo", "al", "x"]}, {"SS": ["ab", "a"]}),
        (ColumnType.NUMERIC_ARRAY, {"L": [{"N": "40"}, {"NULL": True}]}, {"L": [{"N": "12"}, {"NULL": True}]}),
        (ColumnType.JSONB, {"M": {"jo@x.org": {"L": [{"N": "47"}, {"BOOL": True}, {"B": "c2VjcmV0"}]}}}, {"M": {"ab@c.def": {"L": [{"N": "12"}, {"BOOL": True}, {"B": "AAECAwQF"}]}}}),
    ],
)  # fmt: skip
def test_a_made_up_value_has_the_shape_and_the_type_of_the_real_one(
    column_type: ColumnType, real: dict[str, Any], made: dict[str, Any]
) -> None:
    assert made_up(column_type, real) == made
    assert misfits(column_type, [real, made]) == []


def test_examples_are_text_in_the_data_dictionary_whatever_they_contain() -> None:
    hostile = ["x`<img src=x onerror=alert(1)>`", "``", "`|`<b>", "</td>|<script>", "a ``` b", "*x* [y](javascript:z)"]
    items = [{"id": {"S": text}, f"{text}\x9b": {"S": text}} for text in hostile]
    source = SourceTable("odd-table", "", {"id": "S"}, len(items))
    table = load(declare(Sample(source, items), real_examples=True).text)
    for text in hostile:
        columns = tuple(replace(column, examples=(text,)) for column in table.columns)
        page = data_dictionary._table(replace(table, columns=columns))
        shown = MarkdownIt().enable("table").render(page)
        assert not re.findall(r"<(?!/?(?:h2|p|code|table|thead|tbody|tr|th|td|strong)\b)[^>]*>", shown)
        assert shown.count(f"<code>{escape(text, quote=True)}</code>") == len(columns)
        assert shown.count("<td>") == 6 * (len(columns) + 1)
        assert page.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "name", ["line-items", "LineItems", "1st", "größe", "x" * 43, "a = 1\nimport os\nx", '"""', "x)", "pipeline_runs", "rejects_x", "a b"]
)  # fmt: skip
def test_an_impossible_name_is_refused_before_anything_is_read(demand: Demand, dynamodb: Any, name: str) -> None:
    said = demand("infer", "none", "--name", name, "--json")
    assert said.code == 2
    assert said.json["error"]["message"].startswith("--name: ")


@pytest.mark.parametrize(
    "source", ["AccountMembership-qwertyuiopasdfghjklzxcvbnm-staging", "rejected_items", "rejects.x", "1st", "___", "x" * 255, "class", "None-", "table"]
)  # fmt: skip
def test_every_table_has_a_possible_name(source: str) -> None:
    found = declare(Sample(SourceTable(source, "", {"id": "S"}, 1), [{"id": {"S": "a"}}]))
    assert load(found.text).name == found.table


@pytest.mark.parametrize("name", ["A" * 32_000, "aB" * 16_000, "_" * 32_000])
def test_the_time_that_a_name_takes_grows_with_its_length_only(name: str) -> None:
    items = [{"id": {"S": str(number)}, name: {"S": name}} for number in range(10)]
    started = time.process_time()
    declare(Sample(SourceTable("long", "", {"id": "S"}, 1), items))
    assert time.process_time() - started < 4  # 17 seconds, when the square of the length counted


def test_words_begin_where_capitals_do() -> None:
    for name, expected in (
        ("receivedAt", "received at"),
        ("HTTPServer", "http server"),
        ("userIDNumber", "user id number"),
        ("x1AB_c-d", "x1 ab c d"),
    ):
        assert words(name) == expected.split()


def test_the_command_writes_a_new_file_only_and_says_what_comes_next(
    dynamodb: Any, demand: Demand, tmp_path: Path
) -> None:
    create(dynamodb, "plain", {"id": "S"}, iter([{"id": {"S": "a"}}]))
    file = tmp_path / "plain_builder.py"
    said = demand("infer", "plain", "-o", str(file))
    assert said.code == 0
    assert load(file.read_text()).name == "plain"
    assert "a run would reject 0 of them" in said.err
    assert "make generate" in said.err
    again = demand("infer", "plain", "-o", str(file), "--json")
    assert (again.code, again.json["error"]["message"]) == (2, f"--output {file}: the file already exists")
    assert demand("infer", "plain").out == file.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none",), "no DynamoDB table 'none'; existing tables: empty"),
        (("empty",), "empty is empty, so there is nothing to infer from"),
        (("empty", "--max-read-units", "0"), "--max-read-units"),
    ],
)
def test_a_table_that_cannot_be_sampled_is_named(
    dynamodb: Any, demand: Demand, words: tuple[str, ...], told: str
) -> None:
    create(dynamodb, "empty", {"id": "S"}, iter([]))
    said = demand("infer", *words, "--json")
    assert said.code == 2
    assert told in said.json["error"]["message"]
