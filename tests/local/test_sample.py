"""The sample data, against the declarations and the library's own conversion."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import boto3
import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Column, ColumnType, Table
from demand_pipeline.transform.rows import RejectError, RowMaker
from local import seed
from local.sample import Item, Sample, put
from local.sample_relations import Relations
from local.sample_values import SPOILT, ExampleError, draw
from tests.support.aws import dynamodb_json

SIZE = 600

EXAMPLES = {
    ColumnType.TEXT: ("a", "b"),
    ColumnType.NUMERIC: ("1.50", "-2", "1E+3"),
    ColumnType.BIGINT: ("-7", "9007199254740993"),
    ColumnType.BOOLEAN: ("true",),
    ColumnType.DATE: ("2026-01-31",),
    ColumnType.TIMESTAMPTZ: ("2026-01-31T12:00:00Z", "1775025072123", "0"),
    ColumnType.TEXT_ARRAY: ("a", "b"),
    ColumnType.NUMERIC_ARRAY: ("7", "[1.5, 2]"),
    ColumnType.JSONB: ('{"a": [1.50, null]}',),
    ColumnType.BYTEA: ("n4bQ",),
}


def key(name: str, kind: ColumnType = ColumnType.TEXT, *examples: str) -> Column:
    return Column(f"the_{name}", kind, name, "It.", examples, key=True)


def column(name: str, kind: ColumnType = ColumnType.TEXT, *examples: str) -> Column:
    return Column(f"the_{name}".replace(".", "_"), kind, name, "It.", examples)


def table(name: str, *columns: Column) -> Table:
    return Table(name, name, "They.", columns)


# Nobody's: keys of every type, references both ways, columns without examples, and an attribute that two columns read.
OTHERS = (
    table(
        "loans",
        key("loan", ColumnType.BIGINT),
        column("card", ColumnType.BYTEA),
        column("book"),
        column("status"),
        column("desk", ColumnType.TEXT, "desk-0001"),
        *(column(f"of.{kind.name}", kind) for kind in ColumnType),
        column("of", ColumnType.JSONB),
    ),
    table(
        "cards",
        key("card", ColumnType.BYTEA),
        column("loan", ColumnType.BIGINT),
        column("of", ColumnType.JSONB),
        column("of.it"),
    ),
    table("reminders", key("loan", ColumnType.BIGINT), key("sentAt", ColumnType.TIMESTAMPTZ), column("desk")),
    table("books", key("book", ColumnType.TEXT, "a", "b", "a"), column("status"), column("collectorVersion")),
    table("shelves", key("room", ColumnType.NUMERIC), key("shelf", ColumnType.TEXT, "top", "low")),
    table("visits", key("day", ColumnType.DATE), column("days")),
)


def drawn(tables: Sequence[Table], size: int = SIZE, **changes: Any) -> tuple[Sample, dict[str, list[Item]]]:
    """A sample, drawn to its end, and its items by table."""
    sample = Sample(size, tables=tables, **changes)
    items: dict[str, list[Item]] = {each.name: [] for each in tables}
    for each, item in sample:
        items[each.name].append(item)
    return sample, items


OURS, LIBRARY = drawn(tuple(TABLES.values())), drawn(OTHERS)
EACH_SAMPLE = pytest.mark.parametrize(("sample", "items"), [OURS, LIBRARY], ids=["ours", "others"])


def found(item: Item, column: Column) -> Any:
    value: Any = {"M": item}
    for step in column.path:
        inside = value.get("M", {}) if isinstance(step, str) else dict(enumerate(value.get("L", [])))
        value = inside.get(step, {})
    return {kind: content for kind, content in value.items() if kind != "NULL"} or None


def values(items: Iterable[Item], *columns: Column) -> list[str]:
    return [str([found(item, column) for column in columns]) for item in items]


def test_the_same_seed_draws_the_same_items() -> None:
    assert drawn(OURS[0].tables) == OURS
    assert drawn(OURS[0].tables, seed=1)[1] != OURS[1]


@EACH_SAMPLE
def test_every_table_has_items_with_values_in_every_column(sample: Sample, items: dict[str, list[Item]]) -> None:
    assert len(items[sample.tables[0].name]) == SIZE
    for each in sample.tables:
        assert len(items[each.name]) >= SIZE
        for column in each.columns:
            assert any(found(item, column) for item in items[each.name]), f"{each.name}.{column.name}"


def test_an_attribute_is_missing_now_and_then_unless_it_refers_to_something() -> None:
    sample, items = OURS
    relations = Relations(sample.tables, SIZE)
    for each in sample.tables:
        for column in each.columns:
            if not column.key and relations.owner(each, column) is None:
                assert not all(found(item, column) for item in items[each.name]), f"{each.name}.{column.name}"


@pytest.mark.parametrize("kind", ColumnType)
@pytest.mark.parametrize("has_examples", [True, False])
def test_a_new_column_has_values_that_it_takes_and_changes_no_other(kind: ColumnType, has_examples: bool) -> None:
    added = Column("added", kind, "some.where.added", "New.", EXAMPLES[kind] if has_examples else ())
    tables = [dataclasses.replace(each, columns=(*each.columns, added)) for each in TABLES.values()]
    (sample, items), (_, items_before) = drawn(tables, 130), drawn(OURS[0].tables, 130)
    for each in sample.tables:
        make = RowMaker(dataclasses.replace(each, columns=(*each.key, added)))
        assert any(found(item, added) for item in items[each.name])
        for item, before in zip(items[each.name], items_before[each.name], strict=True):
            if added.type in SPOILT and found(item, added) == SPOILT[added.type]:
                continue  # it has this turn to be spoiled
            make.make(dynamodb_json(item))
            item.pop("some", None)
            assert item == before


@EACH_SAMPLE
def test_what_is_counted_as_rejected_and_sanitized_is_just_that(sample: Sample, items: dict[str, list[Item]]) -> None:
    rejected: Counter[str] = Counter()
    sanitized: Counter[str] = Counter()
    for each in sample.tables:
        make = RowMaker(each)
        for item in items[each.name]:
            try:
                sanitized[each.name] += make.make(dynamodb_json(item)).sanitized
            except RejectError:
                rejected[each.name] += 1
    assert +rejected == sample.rejected
    assert +sanitized == sample.sanitized
    assert sample.sanitized.total() == 1


@EACH_SAMPLE
def test_rejects_are_there_and_stay_well_below_one_percent(sample: Sample, items: dict[str, list[Item]]) -> None:
    assert sample.rejected[sample.tables[0].name] > 0
    for each in sample.tables:
        assert sample.rejected[each.name] < len(items[each.name]) * 0.006


@EACH_SAMPLE
def test_keys_are_unique(sample: Sample, items: dict[str, list[Item]]) -> None:
    for each in sample.tables:
        assert len(set(values(items[each.name], *each.key))) == len(items[each.name])


@EACH_SAMPLE
def test_what_refers_to_another_table_has_values_of_its_key(sample: Sample, items: dict[str, list[Item]]) -> None:
    relations = Relations(sample.tables, SIZE)
    for each in sample.tables:
        for column in each.columns:
            if (owner := relations.owner(each, column)) is not None:
                there = set(values(items[owner.name], owner.key[0]))
                here = values(items[each.name], column)
                assert len(set(here)) > len(there) / 4
                assert sum(value not in there for value in here) <= sample.rejected[each.name]


def test_tables_refer_to_each_other_by_the_names_of_partition_keys() -> None:
    relations = Relations(OTHERS, SIZE)
    owners = {
        (each.name, column.source): owner.name
        for each in OTHERS
        for column in each.columns
        if (owner := relations.owner(each, column))
    }
    assert owners == {
        ("loans", "card"): "cards",
        ("loans", "book"): "books",
        ("cards", "loan"): "loans",
        ("reminders", "loan"): "loans",
    }


def test_an_item_repeats_the_identifiers_of_the_item_it_refers_to() -> None:
    _, items = LIBRARY
    desks = {item["loan"]["N"]: item.get("desk") for item in items["loans"]}
    spoilt = SPOILT[ColumnType.TEXT]
    assert all(item.get("desk") in (desks[item["loan"]["N"]], spoilt) for item in items["reminders"])
    assert len({str(desk) for desk in desks.values()}) < SIZE / 1.5  # and some loans share one


def test_an_example_that_its_column_cannot_have_is_named() -> None:
    for kind in ColumnType:
        if kind not in (ColumnType.TEXT, ColumnType.TEXT_ARRAY, ColumnType.BOOLEAN):
            wrong = Column("wrong", kind, "wrong", "It.", ("x",))
            message = f"wrong: expected an example of type {kind}, got 'x'"
            with pytest.raises(ExampleError) as caught:
                for number in range(50):  # one of 50 numbers needs no example
                    draw(wrong, Random(number))  # noqa: S311
            assert str(caught.value) == message


def test_a_value_is_put_into_maps_and_lists() -> None:
    @dataclasses.dataclass
    class At:
        path: tuple[str | int, ...]

    item: Item = {}
    for path in (("a", "b"), ("c", 1, "d"), ("c", 0), ("e",), ("c", 0)):
        put(item, At(path), {"S": str(path)})  # type: ignore[arg-type]
    assert item == {
        "a": {"M": {"b": {"S": "('a', 'b')"}}},
        "c": {"L": [{"S": "('c', 0)"}, {"M": {"d": {"S": "('c', 1, 'd')"}}}]},
        "e": {"S": "('e',)"},
    }


def test_a_source_table_has_the_key_of_its_declaration(aws: None) -> None:
    dynamodb = boto3.client("dynamodb")
    two = table("two", key("p", ColumnType.BYTEA), column("a"), key("s", ColumnType.NUMERIC))
    seed.create_table(dynamodb, "two", two)
    dynamodb.put_item(TableName="two", Item=seed.key_item(two, 7))
    made = dynamodb.describe_table(TableName="two")["Table"]
    assert [(each["AttributeName"], each["KeyType"]) for each in made["KeySchema"]] == [("p", "HASH"), ("s", "RANGE")]
    kinds = [(each["AttributeName"], each["AttributeType"]) for each in made["AttributeDefinitions"]]
    assert kinds == [("p", "B"), ("s", "N")]


@EACH_SAMPLE
def test_it_holds_what_makes_data_hard(sample: Sample, items: dict[str, list[Item]]) -> None:
    drawn = [
        (column.type, value)
        for each in sample.tables
        for item in items[each.name]
        for column in each.columns
        if (value := found(item, column))
    ]
    numbers = [value["N"] for kind, value in drawn if kind is ColumnType.NUMERIC and "N" in value]
    assert max(len(number.replace(".", "").lstrip("0")) for number in numbers) == 38
    assert {"L", "SS"} <= {next(iter(value)) for kind, value in drawn if kind is ColumnType.TEXT_ARRAY}
    assert {"B", "S"} <= {next(iter(value)) for kind, value in drawn if kind is ColumnType.BYTEA}
    unread = [item for each in items.values() for item in each if "größer ✔" in str(item)]
    assert len(unread) > SIZE / 50
