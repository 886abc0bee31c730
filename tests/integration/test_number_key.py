"""A table whose keys are numbers, and whose attributes have any name, is refreshed from end to end."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import DuplicateKeyError
from demand_pipeline.tables import Column, ColumnType, Table
from tests.support.aws import create_source
from tests.support.runs import Runs, run_at

READINGS = Table(
    name="readings",
    source="readings",
    description="What sensors 'measured'.",
    columns=(
        Column("sensor", ColumnType.NUMERIC, ("sensor.id",), "Partition key.", key=True),
        Column("number", ColumnType.BIGINT, "number", "Sort key.", key=True),
        Column('second "°C"; --', ColumnType.NUMERIC, ("values in °C", 1, "t-2.0"), "The second one."),
        Column("read_on", ColumnType.DATE, "read-on", "Day of the reading."),
    ),
)
# As DynamoDB gives numbers: without zeros that say nothing.
SENSORS = ["1", "-0.5", "1E-130", "9" * 38, "9.9999999999999999999999999999999999999E+125"]


def items() -> Iterator[dict[str, Any]]:
    values = {"L": [{"NULL": True}, {"M": {"t-2.0": {"N": "20.50"}}}]}
    for sensor in SENSORS:
        for number in (-1, 10):
            day = "yesterday" if (sensor, number) == ("-0.5", 10) else "2026-11-23"
            key = {"sensor.id": {"N": sensor}, "number": {"N": str(number)}}
            yield {**key, "values in °C": values, "read-on": {"S": day}}


@pytest.fixture(autouse=True)
def declared(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, READINGS.name, READINGS)
    runs.tables[READINGS.name] = READINGS


def test_number_keys_from_end_to_end(runs: Runs, strategy: Strategy) -> None:
    create_source(READINGS, items())
    runs.load(run_at(1), {"readings": runs.stage(run_at(1), READINGS)}, max_reject_percent=10)
    key = {"sensor.id": {"N": SENSORS[3]}, "number": {"N": "-1"}}
    boto3.client("dynamodb").delete_item(TableName=READINGS.source, Key=key)
    chunks = runs.stage(run_at(2), READINGS)
    [changes] = runs.load(run_at(2), {"readings": chunks}, max_reject_percent=20).tables
    merged = (0, 0, 1) if strategy is Strategy.MERGE else (8, 0, 9)
    assert (changes.inserted, changes.updated, changes.deleted) == merged

    sql = runs.warehouse.sql
    found = (line.split("|") for line in sql("SELECT sensor, number FROM warehouse.readings").splitlines())
    left = {(sensor, number) for sensor in SENSORS for number in (-1, 10)} - {(SENSORS[3], -1), ("-0.5", 10)}
    assert {(Decimal(sensor), int(number)) for sensor, number in found} == {(Decimal(s), n) for s, n in left}
    assert sql('SELECT DISTINCT "second ""°C""; --", extra FROM warehouse.readings') == (
        '20.50|{"values in °C": [null, {"t-2.0": 20.50}]}'
    )
    assert sql("SELECT item_key, reason FROM warehouse.rejected_items") == (
        '{"number": 10, "sensor.id": -0.5}|read_on: expected date, got S \'yesterday\''
    )


def rows(*sensors: float) -> list[list[Any]]:
    return [[sensor, 1, None, None, None] for sensor in sensors]


def test_numbers_of_one_value_are_one_key(runs: Runs, strategy: Strategy) -> None:
    runs.load(run_at(1), {"readings": rows(1, 2)})
    [changes] = runs.load(run_at(2), {"readings": rows(1.0, 2)}).tables
    assert (changes.inserted, changes.deleted) == ((0, 0) if strategy is Strategy.MERGE else (2, 2))
    with pytest.raises(DuplicateKeyError, match="constraint readings_"):
        runs.load(run_at(3), {"readings": rows(1, 1.0)})
    assert runs.warehouse.count("readings") == 2
