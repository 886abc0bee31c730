"""A declaration that cannot work is refused when it is read, in words that say what to change."""

from dataclasses import replace
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.builders.audit_builder import AUDIT
from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.load.warehouse.control_tables import CONTROL_TABLES
from demand_pipeline.tables import Column, ColumnType, Table, registry

KEY = Column("id", ColumnType.TEXT, "id", "The key.", key=True)
LINES = Column("lines", ColumnType.JSONB, "lines", "The lines.")
SKU = Column("sku", ColumnType.TEXT, ("lines", 0, "sku"), "The first one's.")


def declare(*columns: Column, **changes: Any) -> Table:
    return Table(**{"name": "things", "source": "things", "description": "Things.", "columns": columns} | changes)


def column(source: Any = "x", **changes: Any) -> Column:
    return replace(Column("x", ColumnType.TEXT, source, "It."), **changes)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], "things: at least one column must be a key column"),
        ([replace(KEY, name=name) for name in "abc"], "things: expected at most 2 key columns, like DynamoDB, got 3"),
        ([KEY, KEY], "things: column id is declared twice"),
        ([KEY, column(name="extra")], "things: the column name extra is reserved: every table has this column"),
        ([KEY, column(name="")], "things.: expected a column name of 1 to 63 bytes, got ''"),
        ([KEY, column(name="ä" * 32)], f"things.{'ä' * 32}: expected a column name of 1 to 63 bytes, got "),
        ([KEY, column(name="a\0b")], "things.a\0b: expected a column name of 1 to 63 bytes, got 'a\\x00b'"),
        ([KEY, column(name="xmin")], "things.xmin: the column name xmin is reserved: every table of PostgreSQL"),
        ([KEY, column(type="varchar")], "things.x: expected a ColumnType, one of text, numeric, bigint, boolean, date"),
        ([KEY, column(type="text")], "things.x: expected a ColumnType, one of text, numeric, bigint, boolean, date"),
        ([KEY, column(description="")], "things.x: the description is missing"),
        ([replace(KEY, source="a.id")], "things.id: expected a top-level attribute for a key, got 'a.id'; for an attribute 'a.b'"),
        ([replace(KEY, source=("ids", 0))], "things.id: expected a top-level attribute for a key, got ('ids', 0); "),
        ([KEY, column("amounts..net")], "things.x: expected attribute names joined by dots, got 'amounts..net'"),
        ([KEY, column("")], "things.x: expected attribute names joined by dots, got ''"),
        ([KEY, column("lines[].sku")], "things.x: expected a tuple such as ('lines', 0, 'sku') for an element of a"),
        ([KEY, column("lines[0].sku")], "things.x: expected a tuple such as ('lines', 0, 'sku') for an element of a"),
        ([KEY, column(())], "things.x: expected a string, or a tuple of names and indexes from 0, got ()"),
        ([KEY, column(["lines", 0])], "things.x: expected a string, or a tuple of names and indexes from 0, got"),
        ([KEY, column(None)], "things.x: expected a string, or a tuple of names and indexes from 0, got None"),
        ([KEY, column(("a", -1))], "things.x: expected a string, or a tuple of names and indexes from 0, got"),
        ([KEY, column(("a", True))], "things.x: expected a string, or a tuple of names and indexes from 0, got"),
        ([KEY, column(("a", 1.0))], "things.x: expected a string, or a tuple of names and indexes from 0, got"),
        ([KEY, column(("a", ""))], "things.x: expected a string, or a tuple of names and indexes from 0, got"),
        ([KEY, column((0, "a"))], "things.x: expected an attribute's name before an index, got (0, 'a')"),
        ([KEY, SKU, column("lines.sku")], "things.x: expected an index into the list ('lines',), got 'sku'"),
        (
            [KEY, column("tags.first"), column("tags", name="tags", type=ColumnType.TEXT_ARRAY)],
            "things.x: expected an index into the list ('tags',), got 'first'",
        ),
    ],
)  # fmt: skip
def test_a_declaration_that_cannot_work_is_refused(columns: list[Column], message: str) -> None:
    with pytest.raises(ValueError, match=r"^things") as caught:
        declare(*columns)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ColumnType)
def test_a_key_is_a_string_a_number_or_binary(kind: ColumnType) -> None:
    if kind in ("boolean", "jsonb", "text[]", "numeric[]"):
        expected = "one of the types text, numeric, bigint, date, timestamptz, bytea"
        with pytest.raises(ValueError, match=f"^things.id: expected {expected} for a key column, got ") as caught:
            declare(replace(KEY, type=kind))
        assert str(caught.value).endswith(f", got {kind}")
    else:
        assert declare(replace(KEY, type=kind)).key[0].type is kind


@pytest.mark.parametrize("name", ["", "Things", "1things", "_things", "line-items", "größen", "things\n", "x" * 43])
def test_a_table_is_named_as_s3_states_and_sql_take_it(name: str) -> None:
    with pytest.raises(ValueError, match=r": expected a table name of at most 42 lower case letters, digits and"):
        declare(KEY, name=name)


@pytest.mark.parametrize("name", ["things", "line_items", "a1", "x" * 42])
def test_other_table_names_are_taken(name: str) -> None:
    assert declare(KEY, name=name).name == name


@pytest.mark.parametrize("name", [declared.name for declared in CONTROL_TABLES])
def test_the_pipelines_own_tables_are_nobody_elses(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: the table name {name} is reserved"):
        declare(KEY, name=name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"source": ""}, "things: expected a DynamoDB table's name"), ({"source": "a/b/c"}, "things: .* got 'a/b/c'"),
     ({"description": ""}, "things: the description is missing")],
)  # fmt: skip
def test_a_table_has_a_source_and_a_description(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare(KEY, **changes)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("caseId", ("caseId",)),
        ("amounts.net", ("amounts", "net")),
        ("größe-2 🌻", ("größe-2 🌻",)),
        (("amounts.net",), ("amounts.net",)),
        (("lines", 0, "unit.price"), ("lines", 0, "unit.price")),
        (("lines[0]",), ("lines[0]",)),
    ],
)
def test_a_source_is_a_string_split_at_dots_or_the_path_itself(source: Any, path: tuple[str | int, ...]) -> None:
    assert declare(KEY, LINES, column(source)).columns[-1].path == path


def test_elements_may_be_read_next_to_their_list() -> None:
    array = column("tags", type=ColumnType.TEXT_ARRAY)
    assert declare(KEY, LINES, SKU, array, column(("tags", 1), name="second")).columns[2] is SKU


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({"auditId": "S"}, None),
        ({"auditId": "N"}, None),
        ({"auditId": "B"}, "expected auditId of type S or N, as audit is declared, found B"),
        ({"id": "S"}, "expected the key auditId, as audit is declared, found id"),
        ({"auditId": "S", "page": "N"}, "expected the key auditId, as audit is declared, found auditId, page"),
        ({}, "expected the key auditId, as audit is declared, found none"),
    ],
)
def test_the_key_of_a_source_is_the_declared_one_or_named(found: dict[str, str], problem: str | None) -> None:
    assert AUDIT.key_problem(found) == problem


def test_a_registry_is_the_tables_by_name() -> None:
    assert registry(CASES, AUDIT) == {"cases": CASES, "audit": AUDIT}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (CASES, "cases: the name 'cases' is already used by cases"),
        (replace(CASES, source="other"), "cases: the name 'cases' is already used by cases"),
        (replace(CASES, name="ca_ses", source="other"), "ca_ses: the name 'ca_ses' is already used by cases"),
        (replace(CASES, name="x"), "x: the source 'documents' is already used by cases"),
        (replace(CASES, name="x", source="DOC-uments"), "x: the source 'DOC-uments' is already used by cases"),
    ],
)
def test_two_tables_of_one_name_or_source_are_refused(second: Table, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        registry(CASES, AUDIT, second)


def test_extra_comes_last_in_what_is_stored() -> None:
    for table in TABLES.values():
        assert table.stored_columns[-1].name == "extra"
        assert table.stored_columns[:-1] == table.columns


def test_the_fingerprint_is_that_of_the_stored_columns_alone() -> None:
    table = declare(KEY, LINES, SKU)
    same = [replace(table, name="x", source="other", description="x"), declare(KEY, LINES, replace(SKU, source="sku"))]
    changed = [replace(SKU, name="a"), replace(SKU, type=ColumnType.DATE)]
    others = [declare(KEY, SKU, LINES), declare(KEY, LINES), *(declare(KEY, LINES, other) for other in changed)]
    assert {each.fingerprint for each in same} == {table.fingerprint}
    assert len({each.fingerprint for each in (table, *others)}) == 1 + len(others)
