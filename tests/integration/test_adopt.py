"""A warehouse that was filled before: what must change is named, with the statements that change it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.contracts.loading import StagedChunk, Strategy
from demand_pipeline.errors import DatabasePrivilegeError, PipelineError, SchemaMismatchError
from demand_pipeline.tables import Column, ColumnType
from local.postgres import PostgresError
from tests.support.runs import Runs, documents, row, run_at
from tests.support.warehouse import Warehouse

# What a load would fail on if it read a chunk before it looked at the tables.
LOST = [StagedChunk("runs/lost", 1, 1, 0, 0, 0.0, 0)]


def follow(warehouse: Warehouse, error: PipelineError, role: str) -> int:
    """Run the statements of a message as they are, and return how many they were."""
    statements = re.findall(r"; run ((?:ALTER TABLE|CREATE SCHEMA|GRANT) .+?;)(?: |$)", str(error))
    warehouse.sql(f"SET SESSION AUTHORIZATION {role}; {' '.join(statements)}")
    return len(statements)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "DROP page_count, ADD page_count bigint GENERATED ALWAYS AS (1) STORED",
            "cases.page_count: .* AS an expression",
        ),
        ("ALTER COLUMN page_count TYPE integer", "cases.page_count: expected the type bigint, found integer"),
        ("ALTER COLUMN net_amount TYPE numeric(10,2)", r"cases.net_amount: .* numeric, found numeric\(10,2\)"),
        ("ALTER COLUMN net_amount TYPE double precision", "cases.net_amount: .* numeric, found double precision"),
        ("ALTER COLUMN document_id TYPE varchar(40)", r"cases.document_id: .* text, found character varying\(40\)"),
        ("ALTER COLUMN line_items TYPE text", "cases.line_items: expected the type jsonb, found text"),
        ("ALTER COLUMN issue_date TYPE timestamp", "cases.issue_date: expected the type date, found timestamp without"),
        (
            "ALTER COLUMN received_at TYPE timestamp",
            "expected the type timestamp with time zone, found timestamp without",
        ),
        (
            "ALTER COLUMN tags TYPE varchar(9)[]",
            r"cases.tags: expected the type text\[\], found character varying\(9\)\[\]",
        ),
        ("DROP CONSTRAINT cases_pkey", r"cases: expected the primary key \(document_id\), found none"),
        (
            'DROP CONSTRAINT cases_pkey, ADD CONSTRAINT "The ""key""" PRIMARY KEY (document_id, status)',
            r"primary key \(document_id\), found \(document_id, status\)",
        ),
        ("DROP COLUMN document_id", r"cases: expected the primary key \(document_id\), found none"),
    ],
)
def test_a_table_of_another_shape_is_refused_and_stays_until_the_statement_is_run(
    runs: Runs, warehouse: Warehouse, change: str, message: str
) -> None:
    runs.load(run_at(1), {"cases": documents(2, status="s", page_count=7, line_items='[{"a": 1}]')})
    if runs.strategy is Strategy.SWAP and "COLUMN document_id" in change:
        with pytest.raises(PostgresError, match="part of the partition key"):
            warehouse.sql(f"ALTER TABLE warehouse.cases {change}")
        return
    warehouse.sql(f"ALTER TABLE warehouse.cases {change}")
    before = warehouse.sql("TABLE warehouse.cases")
    with pytest.raises(SchemaMismatchError, match=message) as caught:
        runs.load(run_at(2), {"cases": LOST})
    assert warehouse.sql("TABLE warehouse.cases") == before
    warehouse.wait_until_closed()
    assert follow(warehouse, caught.value, "pipeline") == 1
    assert runs.load(run_at(2), {"cases": documents(3)}).committed


def test_another_order_of_the_key_is_refused(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"metadata": []})
    warehouse.sql(
        "ALTER TABLE warehouse.metadata DROP CONSTRAINT metadata_pkey, ADD PRIMARY KEY (field_name, document_id)"
    )
    found = r"\(document_id, field_name\), found \(field_name, document_id\)"
    with pytest.raises(SchemaMismatchError, match=found) as caught:
        runs.load(run_at(2), {"metadata": []})
    assert follow(warehouse, caught.value, "pipeline") == 1
    assert runs.load(run_at(2), {"metadata": []}).committed


def test_a_view_in_a_tables_place_is_refused(runs: Runs, warehouse: Warehouse) -> None:
    warehouse.sql("CREATE SCHEMA warehouse AUTHORIZATION pipeline; CREATE VIEW warehouse.cases AS SELECT 1 AS one")
    message = "cases: expected a table, found a relation of kind 'v'"
    with pytest.raises(SchemaMismatchError, match=message) as caught:
        runs.load(run_at(1))
    assert follow(warehouse, caught.value, "admin") == 1
    assert runs.load(run_at(1)).committed
    assert warehouse.sql("TABLE warehouse.cases_before") == "1"


def test_names_are_quoted_in_the_statements(runs: Runs, warehouse: Warehouse) -> None:
    odd = 'DW "é", DROP'
    runs.tables["cases"] = replace(CASES, columns=(*CASES.columns, Column('A "b"', ColumnType.DATE, "b", "It.")))
    runs.carry_out(runs.request(run_at(1), {"cases": []}), schema=odd)
    warehouse.sql('ALTER TABLE "DW ""é"", DROP".cases DROP CONSTRAINT cases_pkey, ALTER COLUMN "A ""b""" TYPE text')
    request = runs.request(run_at(2), {"cases": []})
    with pytest.raises(SchemaMismatchError) as caught:
        runs.carry_out(request, schema=odd)
    assert follow(warehouse, caught.value, "pipeline") == 1
    assert runs.carry_out(request, schema=odd).committed


# What a script with pandas makes of the tables: its own types, no keys, the master user's.
FILLED: dict[str, Any] = {
    "cases": "(document_id varchar(40), net_amount double precision, received_at timestamp, tags text, source_row int)",
    "audit": "(audit_id text, duration_ms integer, new_values json)",
}
ROWS = (
    "INSERT INTO warehouse.cases VALUES ('a', 12.5, '2026-01-31 23:30', NULL, 1);"
    "INSERT INTO warehouse.audit VALUES ('x', 5, '{}')"
)


def test_a_warehouse_filled_by_the_master_user_is_adopted_by_what_the_messages_say(
    runs: Runs, minimal: Warehouse
) -> None:
    tables = "; ".join([f"CREATE TABLE warehouse.{name} {columns}" for name, columns in FILLED.items()])
    minimal.sql(f"SET SESSION AUTHORIZATION master; {tables}; {ROWS}")
    run, lost = run_at(1), {"cases": LOST, "audit": LOST}
    with pytest.raises(
        DatabasePrivilegeError, match=r"cases: expected the owner demand_loader, .* found master"
    ) as owner:
        runs.load(run, lost)
    assert follow(minimal, owner.value, "master") == 2
    with pytest.raises(SchemaMismatchError, match=r"cases.received_at: .*audit: expected the primary key") as shape:
        runs.load(run, lost)
    assert follow(minimal, shape.value, "master") == 2
    guide = " ".join(Path("docs/adopt.md").read_text(encoding="utf-8").split())
    for error in (owner, shape):
        assert str(error.value)[str(error.value).index("audit") :] in guide
    shown = "SELECT document_id, net_amount, received_at AT TIME ZONE 'UTC', source_row FROM warehouse.cases"
    assert minimal.sql(shown) == "a|12.5|2026-01-31 23:30:00|1"
    assert runs.load(run, {"cases": documents(2), "audit": [row("audit", audit_id="x")]}).committed
    assert minimal.sql("SELECT count(*), count(source_row) FROM warehouse.cases").startswith("2|")


@pytest.mark.parametrize("inherits", [True, False])
def test_a_member_of_the_owner_may_load_if_it_inherits(runs: Runs, minimal: Warehouse, inherits: bool) -> None:
    runs.load(run_at(1), {"cases": documents(1)})
    minimal.sql(
        "CREATE ROLE owners; GRANT owners TO demand_loader; GRANT USAGE, CREATE ON SCHEMA warehouse TO owners;"
        "ALTER TABLE warehouse.cases OWNER TO owners"
    )
    try:
        if inherits:
            assert runs.load(run_at(2), {"cases": documents(2)}).committed
        else:
            minimal.sql("REVOKE owners FROM demand_loader; GRANT ALL ON warehouse.cases TO demand_loader")
            with pytest.raises(DatabasePrivilegeError, match="found owners"):
                runs.load(run_at(2), {"cases": LOST})
    finally:
        minimal.sql("DROP OWNED BY owners CASCADE; DROP ROLE owners")


@pytest.mark.parametrize(
    ("missing", "cure"),
    [
        ("REVOKE CREATE ON SCHEMA warehouse_pipeline FROM demand_loader", "GRANT USAGE, CREATE ON SCHEMA "),
        ("REVOKE USAGE ON SCHEMA warehouse_pipeline FROM demand_loader", "GRANT USAGE, CREATE ON SCHEMA "),
        ("DROP SCHEMA warehouse_pipeline", "CREATE SCHEMA "),
    ],
)
def test_the_shadows_schema_is_asked_for_before_any_copy_with_the_statement_to_run(
    runs: Runs, minimal: Warehouse, missing: str, cure: str
) -> None:
    minimal.sql(missing)
    request = runs.request(run_at(1), {"cases": LOST})
    with pytest.raises(DatabasePrivilegeError, match=f"run {cure}") as caught:
        runs.carry_out(request)
    assert follow(minimal, caught.value, "master") == 1
    runs.prepare(request)
