"""The load strategy `merge`: only what differs is written, exactly, and no reader waits."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.errors import DuplicateKeyError, LockTimeoutError, ReconciliationError
from demand_pipeline.load.copy import shadows
from demand_pipeline.load.in_place import merge
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.tables import Column, ColumnType
from tests.integration.conftest import MERGE_ALONE
from tests.support.runs import Runs, documents, row, run_at
from tests.support.warehouse import Warehouse

pytestmark = MERGE_ALONE

VERSIONS = "SELECT document_id, xmin, ctid FROM warehouse.cases ORDER BY 1"


def changes(runs: Runs, hour: int, rows: list[Any], table: str = "cases") -> tuple[int, int, int]:
    """Load, and return how many rows were inserted, updated and deleted."""
    [loaded] = runs.load(run_at(hour), {table: rows}).tables
    assert loaded.loaded == len(rows)
    return loaded.inserted, loaded.updated, loaded.deleted


def test_what_is_the_same_is_not_written(runs: Runs, warehouse: Warehouse) -> None:
    rows = [row("cases", document_id=f"{number}", status="open", net_amount=1.50) for number in range(5)]
    assert changes(runs, 1, rows) == (5, 0, 0)
    before = warehouse.sql(VERSIONS).splitlines()
    rows = [*rows[:3], row("cases", document_id="3", status="paid", net_amount=1.50), row("cases", document_id="new")]
    assert changes(runs, 2, rows) == (1, 1, 1)
    assert warehouse.sql(VERSIONS).splitlines()[:3] == before[:3]
    assert warehouse.sql("SELECT document_id, status FROM warehouse.cases ORDER BY 1 OFFSET 3") == "3|paid\nnew|"
    counts = "SELECT inserted, updated, deleted, loaded, previous_rows FROM warehouse.pipeline_run_tables WHERE run_id = 'run-2'"
    assert warehouse.sql(counts) == "1|1|1|5|5"
    assert changes(runs, 3, rows) == (0, 0, 0)


NUMBER = "12345678901234567890123456789012345678"
DIFFERENT = [
    ("net_amount", "1.5", "1.50"),
    ("net_amount", NUMBER, NUMBER[:-1] + "9"),
    ("net_amount", "0", "0.0"),
    ("line_items", '{"a": 1.0}', '{"a": 1.00}'),
    ("line_items", f'{{"a": {NUMBER}}}', f'{{"a": {NUMBER[:-1]}9}}'),
    ("line_items", "null", None),
    ("line_items", '""', "[]"),
    ("tags", "{}", None),
    ("tags", "{NULL}", "{}"),
    ("tags", "{a,b}", "{b,a}"),
    ("status", "", None),
    ("status", "a", "a "),
    ("status", "é", "e\u0301"),
    ("content_hash", "\\x", None),
    ("content_hash", "\\x00", "\\x0000"),
    ("is_duplicate", False, None),
    ("received_at", "2026-11-23T00:00:00.000001+00:00", "2026-11-23T00:00:00.000002+00:00"),
    ("page_count", 0, None),
    ("extra", f'{{"a": "{"x" * 5000}1"}}', f'{{"a": "{"x" * 5000}2"}}'),
]


@pytest.mark.parametrize(("column", "old", "new"), DIFFERENT)
def test_the_smallest_difference_is_written(runs: Runs, warehouse: Warehouse, column: str, old: Any, new: Any) -> None:
    versions = []
    for hour, value in enumerate((old, new, new, old), start=1):
        rows = [row("cases", document_id="a", **{column: value}), row("cases", document_id="b")]
        assert changes(runs, hour, rows) == ((2, 0, 0), (0, 1, 0), (0, 0, 0), (0, 1, 0))[hour - 1]
        shown = f"SELECT {column}::text, {column} IS NULL FROM warehouse.cases WHERE document_id = 'a'"  # noqa: S608
        versions.append(warehouse.sql(shown))
    assert versions[0] == versions[3] != versions[1] == versions[2]


def test_the_same_value_spelt_otherwise_is_the_same(runs: Runs) -> None:
    spelt = [
        {"received_at": "2026-11-23T01:00:00+01:00", "line_items": '{"b":1,"a":[1, 2]}', "extra": '"\\u00e4"'},
        {"received_at": "2026-11-23T00:00:00Z", "line_items": '{"a": [1,2], "b": 1}', "extra": '"ä"'},
    ]
    assert changes(runs, 1, [row("cases", document_id="a", **spelt[0])]) == (1, 0, 0)
    assert changes(runs, 2, [row("cases", document_id="a", **spelt[1])]) == (0, 0, 0)


def test_large_values_are_compared_whole(runs: Runs, warehouse: Warehouse) -> None:
    noise = warehouse.sql(
        "SELECT string_agg(md5(n::text), '') FROM generate_series(1, 5000) AS n"
    )  # stored out of line
    rows = [row("cases", document_id="a", supplier_name=noise + "x"), row("cases", document_id="b")]
    assert changes(runs, 1, rows) == (2, 0, 0)
    assert changes(runs, 2, rows) == (0, 0, 0)
    rows[0] = row("cases", document_id="a", supplier_name=noise + "y")
    assert changes(runs, 3, rows) == (0, 1, 0)


def test_a_key_of_two_columns_is_compared_whole(runs: Runs, warehouse: Warehouse) -> None:
    def fields(*keys: tuple[str, str]) -> list[Any]:
        return [row("metadata", document_id=document, field_name=name) for document, name in keys]

    assert changes(runs, 1, fields(("a", "x"), ("a", "y"), ("b", "x")), "metadata") == (3, 0, 0)
    assert changes(runs, 2, fields(("a", "x"), ("b", "y"), ("b", "x")), "metadata") == (1, 0, 1)
    versions = [row("templates", template_id="t", version=version) for version in (1, 2)]
    assert changes(runs, 3, versions, "templates") == (2, 0, 0)
    assert changes(runs, 4, versions[1:], "templates") == (0, 0, 1)


@pytest.mark.parametrize("already", [0, 1])
@pytest.mark.parametrize("status", ["", "other"])
def test_two_rows_with_one_key_are_refused_whatever_is_there(
    runs: Runs, warehouse: Warehouse, already: int, status: str
) -> None:
    runs.load(run_at(1), {"cases": [row("cases", document_id="same")] * already})
    same_key = [row("cases", document_id="same", currency="tel-555"), row("cases", document_id="same", status=status)]
    message = r'constraint cases_\w+_document_id_idx.* it refuses 2 items: \{"documentId": "same"\}, '
    with pytest.raises(DuplicateKeyError, match=message) as caught:
        runs.load(run_at(2), {"cases": same_key})
    assert "tel-555" not in str(caught.value)
    assert warehouse.sql("SELECT count(*) FROM warehouse.cases") == str(already)


def test_what_somebody_wrote_by_hand_disappears(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(3, status="open")})
    warehouse.sql(
        "INSERT INTO warehouse.cases (document_id) VALUES ('mine'); DELETE FROM warehouse.cases WHERE document_id = 'doc-0';"
        "UPDATE warehouse.cases SET status = 'mine' WHERE document_id = 'doc-1'"
    )
    assert changes(runs, 2, documents(3, status="open")) == (1, 1, 1)
    assert warehouse.sql("SELECT count(*), min(status), max(status) FROM warehouse.cases") == "3|open|open"


def test_columns_added_by_hand_keep_what_is_in_them(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    warehouse.sql("ALTER TABLE warehouse.cases ADD COLUMN note text; UPDATE warehouse.cases SET note = 'mine'")
    assert changes(runs, 2, documents(2)) == (0, 0, 0)
    assert changes(runs, 3, documents(3, status="new")) == (1, 2, 0)
    assert warehouse.sql("SELECT note, count(*) FROM warehouse.cases GROUP BY 1 ORDER BY 1") == "mine|2\n|1"


def test_a_column_of_the_declaration_that_is_missing_is_added_and_filled(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    runs.tables["cases"] = replace(
        CASES, columns=(*CASES.columns, Column("colour", ColumnType.TEXT, "colour", "Its colour."))
    )
    rows = [[*values[:-1], colour, None] for values, colour in zip(documents(2), ("red", None), strict=True)]
    assert changes(runs, 2, rows) == (0, 1, 0)
    assert warehouse.sql("SELECT document_id, colour FROM warehouse.cases WHERE colour IS NOT NULL") == "doc-0|red"


def test_another_collation_of_the_key_is_no_matter(runs: Runs, warehouse: Warehouse) -> None:
    rows = [row("cases", document_id=name) for name in ("a", "A", "ä", "a ", "")]
    runs.load(run_at(1), {"cases": rows})
    warehouse.sql('ALTER TABLE warehouse.cases ALTER COLUMN document_id TYPE text COLLATE "POSIX"')
    assert changes(runs, 2, [*rows[1:], row("cases", document_id="b")]) == (1, 0, 1)


def test_rows_that_others_refer_to_go_last_and_come_first(runs: Runs, warehouse: Warehouse) -> None:
    def tables(*numbers: int) -> dict[str, Any]:
        cases = [row("cases", document_id=f"{number}") for number in numbers]
        return {"cases": cases, "audit": [row("audit", audit_id=f"a{n}", document_id=f"{n}") for n in numbers]}

    runs.load(run_at(1), tables(1, 2))
    warehouse.sql("ALTER TABLE warehouse.audit ADD FOREIGN KEY (document_id) REFERENCES warehouse.cases")
    loaded = runs.load(run_at(2), tables(2, 3)).tables
    assert [(table.inserted, table.updated, table.deleted) for table in loaded] == [(1, 0, 1)] * 2


def test_rows_that_a_trigger_keeps_are_noticed(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(3)})
    warehouse.sql(
        "CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER keep BEFORE DELETE ON warehouse.cases FOR EACH ROW EXECUTE FUNCTION public.keep()"
    )
    with pytest.raises(ReconciliationError, match="cases: 2 rows staged, but 3 in the table"):
        runs.load(run_at(2), {"cases": documents(2)})
    assert warehouse.count("pipeline_runs") == 1


def session(warehouse: Warehouse, **timeouts: float) -> Any:
    return open_session(warehouse.settings, "reader", Timeouts(**timeouts))


def test_readers_read_on_at_every_point_of_a_merge(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that holds a transaction open, and new ones, before and after each of its statements."""
    runs.load(run_at(1), {"cases": documents(3, status="old")})
    request = runs.request(run_at(2), {"cases": documents(2, status="new")})
    execute, seen = Connection.execute, []

    with session(warehouse, lock=0.05) as reader, session(warehouse, lock=0.05) as older:
        older.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        older.query("SELECT FROM warehouse.cases FOR KEY SHARE")

        def watched(connection: Connection, sql: str, **parameters: Any) -> int:
            rows = execute(connection, sql, **parameters)
            seen.append(reader.query("SELECT count(*), min(status) FROM warehouse.cases")[0])
            return rows

        with monkeypatch.context() as patch:
            patch.setattr(Connection, "execute", watched)
            with pytest.raises(LockTimeoutError):  # who locks rows makes it wait, and fail, like any other writer
                patch.setattr(shadows, "Timeouts", lambda statement: Timeouts(statement=statement, lock=0.2))
                runs.carry_out(request)
            execute(older, "COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ")
            older.query("SELECT count(*) FROM warehouse.cases")
            runs.carry_out(request)
        assert {tuple(row) for row in seen} == {(3, "old"), (2, "new")}
        assert older.query("SELECT count(*), min(status) FROM warehouse.cases") == [[3, "old"]]  # its snapshot is whole


def test_other_writers_wait_until_the_commit(runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.load(run_at(1), {"cases": documents(3)})
    delete, written = merge.delete, threading.Event()

    def write() -> None:
        warehouse.sql("INSERT INTO warehouse.cases (document_id) VALUES ('mine')")
        written.set()

    writer = threading.Thread(target=write)

    def delete_while_writing(*arguments: Any) -> int:
        writer.start()
        assert not written.wait(0.5)
        return delete(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(merge, "delete", delete_while_writing)
        assert changes(runs, 2, documents(3)) == (0, 0, 0)
    writer.join(10)
    # Written after the run, and there until the next.
    assert warehouse.count("cases") == 4
    assert changes(runs, 3, documents(3)) == (0, 0, 1)


def test_a_writer_that_does_not_end_makes_the_load_give_up(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1), {"cases": documents(1)})
    monkeypatch.setattr(shadows, "Timeouts", lambda statement: Timeouts(statement=statement, lock=0.2))
    with session(warehouse) as writer:
        writer.execute("BEGIN; UPDATE warehouse.cases SET status = 'mine'")
        with pytest.raises(LockTimeoutError):
            runs.load(run_at(2), {"cases": documents(2)})
    assert changes(runs, 3, documents(2)) == (1, 0, 0)


def test_a_warehouse_goes_from_one_strategy_to_the_other_and_back(runs: Runs, warehouse: Warehouse) -> None:
    for hour, strategy in enumerate(("truncate", "merge", "truncate", "merge"), start=1):
        rows = documents(hour, status=str(hour // 3))
        [table] = runs.load(run_at(hour), {"cases": rows}, strategy=strategy).tables
        assert (table.loaded, table.previous_rows) == (hour, hour - 1)
    assert (table.inserted, table.updated, table.deleted) == (1, 0, 0)
