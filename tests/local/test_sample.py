"""The sample data, held against the declarations and the library's own conversion."""

import dataclasses
from collections import Counter
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.conversion.rows import RejectError, RowMaker
from demand_pipeline.tables import Column, ColumnType, Table
from local import sample
from local.sample import Item, Sample
from local.sample_values import spoil
from tests.unit.strategies import wire

DOCUMENTS = 600


@pytest.fixture(scope="module")
def drawn() -> Sample:
    """The sample, drawn once to its end: only then has it counted."""
    sample = Sample(DOCUMENTS)
    for _ in sample:
        pass
    return sample


@pytest.fixture(scope="module")
def items(drawn: Sample) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {name: [] for name in TABLES}
    for table, item in drawn:
        found[table.name].append(item)
    return found


def found(item: Item, column: Column) -> Any:
    value: Any = {"M": item}
    for name in column.path:
        value = value.get("M", {}).get(name, {})
    return {kind: content for kind, content in value.items() if kind != "NULL"} or None


def test_the_same_seed_draws_the_same_items(drawn: Sample, items: dict[str, list[Item]]) -> None:
    again = list(Sample(DOCUMENTS))
    assert [item for table, item in again if table.name == "cases"] == items["cases"]
    assert [item for _, item in Sample(DOCUMENTS, seed=1)] != [item for _, item in again]


def test_every_column_has_values_and_now_and_then_none(items: dict[str, list[Item]]) -> None:
    for table in TABLES.values():
        for column in table.columns:
            values = [found(item, column) for item in items[table.name]]
            assert any(values), f"{table.name}.{column.name}"
            # an attribute that other tables share is the same in all of them
            assert column.key or column.source in {"documentId", "caseId"} or not all(values), column.name


@pytest.mark.parametrize("kind", ColumnType)
def test_a_column_added_to_a_declaration_shows_up_and_is_taken(
    kind: ColumnType, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = {
        ColumnType.DATE: ("2026-01-31",),
        ColumnType.TIMESTAMPTZ: ("2026-01-31T12:00:00Z", "1775025072123"),
        ColumnType.BOOLEAN: ("true",),
        ColumnType.JSONB: ('{"a": [1.50, null]}',),
        ColumnType.BYTEA: ("n4bQ",),
    }.get(kind, ("7", "42.5")[: 1 if kind is ColumnType.BIGINT else 2])
    added = Column("added", kind, "some.where.added", "New.", examples)
    table = dataclasses.replace(TABLES["cases"], columns=(*TABLES["cases"].columns, added))
    monkeypatch.setattr(sample, "CASES", table)
    make = RowMaker(dataclasses.replace(table, columns=(*table.key, added)))
    drawn = [item for owner, item in Sample(50) if owner is table]
    assert any(found(item, added) for item in drawn)
    for item in drawn:
        make.make(wire(item))


def test_what_is_counted_as_rejected_and_sanitized_is_just_that(drawn: Sample, items: dict[str, list[Item]]) -> None:
    rejected: Counter[str] = Counter()
    sanitized: Counter[str] = Counter()
    for name, table in TABLES.items():
        make = RowMaker(table)
        for item in items[name]:
            try:
                sanitized[name] += make.make(wire(item)).sanitized
            except RejectError:
                rejected[name] += 1
    assert rejected == drawn.rejected
    assert sanitized == drawn.sanitized
    assert drawn.sanitized.total() == 1


def test_rejects_are_there_and_stay_well_below_one_percent(drawn: Sample) -> None:
    assert drawn.rejected["cases"] > 0
    for name, items in drawn.items.items():
        assert drawn.rejected[name] < items * 0.006


def test_keys_are_unique_and_belong_together(items: dict[str, list[Item]]) -> None:
    def keys(table: Table) -> list[tuple[str, ...]]:
        return [tuple(str(found(item, column)) for column in table.key) for item in items[table.name]]

    for table in TABLES.values():
        assert len(set(keys(table))) == len(items[table.name])
    documents = {item["documentId"]["S"]: item for item in items["cases"]}
    assert len(documents) == DOCUMENTS
    assert {item["documentId"]["S"] for item in items["metadata"]} <= documents.keys()
    for entry in items["audit"]:
        document = documents[entry["documentId"]["S"]]
        assert entry.get("caseId") == document.get("caseId") or spoil(TABLES["audit"].columns[2]) == entry["caseId"]
    assert len({item["caseId"]["S"] for item in items["cases"] if "S" in item["caseId"]}) < DOCUMENTS / 2


def test_it_holds_what_makes_data_hard(items: dict[str, list[Item]]) -> None:
    text = str(items)
    assert "株式会社山田商事" in text
    assert "🌻" in text
    numbers = [found(item, column)["N"] for item in items["cases"] for column in TABLES["cases"].columns
               if column.type is ColumnType.NUMERIC and "N" in (found(item, column) or {})]  # fmt: skip
    assert max(len(number.replace(".", "")) for number in numbers) == 38
    assert {next(iter(found(item, column))) for item in items["cases"] for column in TABLES["cases"].columns
            if column.source == "tags" and found(item, column)} == {"L", "SS"}  # fmt: skip
    assert sum("collectorVersion" in item for item in items["cases"]) > DOCUMENTS / 50
