"""`demand infer`: the types that a person would choose, in text that stays a declaration whatever the items hold."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from demand.infer import Limits, infer
from demand.infer.declaration import load
from demand.infer.declare import declare
from demand.infer.sample import Sample, SourceTable, as_sent, read_sample
from demand_pipeline.builders import TABLES
from demand_pipeline.scan.segment import RateLimiter
from demand_pipeline.tables import ColumnType, Table
from demand_pipeline.transform.rows import RowMaker
from local import sample as local
from local.sample_values import numbered
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
    assert by_place["promisedOn"].doubts == ('2% would be rejected, such as S "soon"',)
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


def test_examples_are_left_out_where_they_must_not_leave_the_table(dynamodb: Any) -> None:
    items = ({"id": {"S": str(number)}, "at": {"S": "secret" if number == 3 else "2026-01-01"}} for number in range(30))
    create(dynamodb, "people", {"id": "S"}, items)
    found = infer(dynamodb, "people", WIDE, examples=False)
    assert found.columns[1].doubts == ("3% would be rejected",)
    assert "secret" not in found.text
    assert "2026" not in found.text


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
    assert (again.code, again.json["error"]["message"]) == (2, f"--output {file}: expected a new file, it exists")
    assert demand("infer", "plain").out == file.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none",), "no DynamoDB table 'none'; there: empty"),
        (("empty",), "empty: expected items to go by, got none"),
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
