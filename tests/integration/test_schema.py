"""The warehouse follows the declarations, and nothing that people made there is lost."""

import re
from dataclasses import replace
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import (
    ConfigurationError,
    DatabasePrivilegeError,
    DuplicateKeyError,
    SchemaMismatchError,
)
from demand_pipeline.load.warehouse.control_tables import CONTROL_TABLES
from demand_pipeline.load.warehouse.schema import TableSchema, create_table
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import quote
from demand_pipeline.tables import Column, ColumnType, Table
from local.postgres import PostgresError
from tests.integration.conftest import IN_ONE_TRANSACTION, run_loader_role
from tests.support.runs import Runs, documents, reject, row, run_at
from tests.support.warehouse import Warehouse

COLUMNS = (
    "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute "
    "WHERE attnum > 0 AND NOT attisdropped AND attrelid = "
)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_missing_table_is_made_from_its_declaration(runs: Runs, warehouse: Warehouse, table: Table) -> None:
    assert runs.load(run_at(1), {table.name: []}).schema_changes == (f"table {table.name} created",)
    names = {ColumnType.TIMESTAMPTZ: "timestamp with time zone"}
    declared = [f"{column.name} {names.get(column.type, column.type)}" for column in table.columns]
    assert warehouse.sql(f"{COLUMNS}'warehouse.{table.name}'::regclass") == ", ".join([*declared, "extra jsonb"])
    key = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid ="
    assert (
        warehouse.sql(f"{key} 'warehouse.{table.name}'::regclass")
        == f"PRIMARY KEY ({', '.join(column.name for column in table.key)})"
    )


def test_control_tables_are_made_with_the_first_run(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    assert warehouse.sql(COLUMNS + "'warehouse.rejected_items'::regclass") == (
        "run_id text, table_name text, item_key jsonb, reason text, item jsonb"
    )
    assert warehouse.sql(COLUMNS + "'warehouse.pipeline_runs'::regclass") == (
        "run_id text, execution_arn text, started_at timestamp with time zone, committed_at timestamp with time zone, "
        "input jsonb, status text, rolled_back_at timestamp with time zone, rolled_back_by text, rolled_back_reason text"
    )


def test_a_new_column_of_the_declaration_is_added_in_the_same_run(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    runs.tables["cases"] = replace(
        CASES, columns=(*CASES.columns, Column("colour", ColumnType.TEXT_ARRAY, "colour", "Its colour."))
    )
    rows = [[*values[:-1], "{red}", None] for values in documents(3)]
    runs.load(run_at(2), {"cases": rows}, dry_run=True)
    assert "colour" not in warehouse.sql(COLUMNS + "'warehouse.cases'::regclass")
    assert runs.load(run_at(2), {"cases": rows}).schema_changes == ("column cases.colour added",)
    assert runs.load(run_at(3), {"cases": rows}).schema_changes == ()
    assert warehouse.sql(COLUMNS + "'warehouse.cases'::regclass").endswith("extra jsonb, colour text[]")
    assert warehouse.sql("SELECT colour, count(*) FROM warehouse.cases GROUP BY 1") == "{red}|3"


def test_a_missing_column_of_a_control_table_is_added(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    warehouse.sql("ALTER TABLE warehouse.pipeline_run_tables DROP COLUMN sanitized")
    assert runs.load(run_at(2)).tables[0].sanitized == 0


def test_columns_added_by_hand_are_left_alone_and_get_their_default(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    warehouse.sql("ALTER TABLE warehouse.cases ADD COLUMN note text, ADD COLUMN level integer NOT NULL DEFAULT 7")
    runs.load(run_at(2), {"cases": documents(2)})
    assert warehouse.sql("SELECT note IS NULL, level FROM warehouse.cases GROUP BY 1, 2") == "t|7"
    warehouse.sql("ALTER TABLE warehouse.cases ALTER COLUMN level DROP DEFAULT")
    message = "cases.level: a load cannot write rows, because the column is NOT NULL without a default; run (.*;)"
    with pytest.raises(SchemaMismatchError, match=message) as caught:
        runs.load(run_at(3), {"cases": documents(3)})
    warehouse.sql(str(caught.value).partition("; run ")[2])
    assert runs.load(run_at(3), {"cases": documents(3)}).committed


@IN_ONE_TRANSACTION
def test_a_column_that_a_trigger_sets_needs_no_default(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    warehouse.sql(
        "ALTER TABLE warehouse.cases ADD owner text NOT NULL DEFAULT ''; ALTER TABLE warehouse.cases ALTER owner DROP DEFAULT;"
        "CREATE FUNCTION public.own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.owner := 5; RETURN NEW; END';"
        "CREATE TRIGGER own BEFORE INSERT ON warehouse.cases FOR EACH ROW EXECUTE FUNCTION public.own()"
    )
    assert runs.load(run_at(2), {"cases": documents(2)}).committed


def test_views_grants_indexes_and_comments_stay(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(1), "audit": []})
    warehouse.sql(
        "CREATE VIEW public.open_cases AS SELECT document_id FROM warehouse.cases;"
        "CREATE INDEX by_status ON warehouse.cases (status);"
        "GRANT SELECT ON warehouse.cases TO pg_monitor;"
    )
    if runs.strategy is not Strategy.SWAP:  # which refuses it
        warehouse.sql("ALTER TABLE warehouse.audit ADD FOREIGN KEY (document_id) REFERENCES warehouse.cases")
    runs.load(run_at(2), {"cases": documents(3), "audit": [row("audit", audit_id="a", document_id="doc-2")]})
    assert warehouse.sql("SELECT count(*) FROM public.open_cases") == "3"
    assert warehouse.sql("SELECT has_table_privilege('pg_monitor', 'warehouse.cases', 'SELECT')") == "t"
    assert warehouse.sql("SELECT count(*) FROM pg_indexes WHERE indexname = 'by_status'") == "1"


COMMENTS = (
    "SELECT coalesce(attname, ''), description FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND "
    "attnum = objsubid AND attnum > 0 WHERE classoid = 'pg_class'::regclass AND objoid = 'warehouse.{}'::regclass"
)


def comments(warehouse: Warehouse, table: str) -> dict[str, str]:
    return dict(line.split("|", 1) for line in warehouse.sql(COMMENTS.format(table)).splitlines())


@pytest.mark.parametrize("declared", [TableSchema.of(CASES), *CONTROL_TABLES], ids=lambda declared: declared.name)
def test_tables_and_columns_have_their_descriptions_as_comments(
    runs: Runs, warehouse: Warehouse, declared: TableSchema
) -> None:
    runs.load(run_at(1))
    described = {column.name: column.description for column in declared.columns}
    assert comments(warehouse, declared.name) == {"": declared.description, **described}


def test_a_comment_made_by_hand_stays_and_a_new_column_gets_its_own(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    warehouse.sql(
        "COMMENT ON TABLE warehouse.cases IS 'mine'; COMMENT ON COLUMN warehouse.cases.status IS 'ours';"
        "COMMENT ON COLUMN warehouse.cases.currency IS NULL"
    )
    odd = Column('A "b" :c', ColumnType.TEXT, "odd", 'It\'s 100% \\odd\\: "{}" :name %s $1; -- ünï')
    runs.tables["cases"] = replace(CASES, columns=(*CASES.columns, odd))
    runs.load(run_at(2), {"cases": []})
    found = comments(warehouse, "cases")
    assert (found[""], found["status"], found["currency"]) == ("mine", "ours", "ISO 4217 code.")
    assert found[odd.name] == odd.description


def test_all_is_commented_in_one_message_and_nothing_by_an_unchanged_run(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    query = Connection.query

    def recorded(connection: Connection, sql: str, **parameters: Any) -> list[list[Any]]:
        ran.append(sql)
        return query(connection, sql, **parameters)

    monkeypatch.setattr(Connection, "query", recorded)
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour), "audit": []})
    [message] = [sql for sql in ran if sql.startswith("COMMENT ON") and not re.search("_previous|rehearsed_", sql)]
    assert message.count("COMMENT ON ") > len(CASES.columns)


def test_any_schema_name_is_quoted(runs: Runs, warehouse: Warehouse) -> None:
    odd = 'DW "é"; DROP SCHEMA x; -- :run {schema} $1'
    for hour in (1, 2):
        request = runs.request(run_at(hour), {"cases": documents(hour)})
        assert runs.carry_out(request, schema=odd).committed
    assert warehouse.sql(f"TABLE {quote(odd)}.pipeline_runs").count("run-") == 4


def test_the_longest_names_do(runs: Runs, warehouse: Warehouse) -> None:
    name = "t" * 42
    runs.tables[name] = replace(
        CASES, name=name, columns=(*CASES.columns, Column("ä" * 31, ColumnType.TEXT, "a", "A."))
    )
    rows = [[*values, None] for values in documents(2)]
    assert runs.load(run_at(1), {name: rows}).committed
    with pytest.raises(DuplicateKeyError, match=f"constraint {name[:40]}"):
        runs.load(run_at(2), {name: [*rows, rows[0]]})


@pytest.mark.parametrize("name", ["", "x" * 64, "ä" * 32, "a\0b"])
def test_a_name_that_postgresql_would_cut_is_a_configuration_error(name: str) -> None:
    with pytest.raises(ConfigurationError, match="1 to 63 bytes"):
        quote(name)


def test_a_declaration_without_a_key_makes_a_table_without_one_whose_whole_rows_identify_them() -> None:
    declared = TableSchema("t", "It.", (Column("a", ColumnType.TEXT, "a", "It."),))
    first, *_, last = create_table("s", declared).splitlines()
    assert (first, last) == (
        'CREATE TABLE IF NOT EXISTS "s"."t" ("a" text);',
        'ALTER TABLE "s"."t" REPLICA IDENTITY FULL;',
    )


def test_the_loader_role_can_do_all_that_a_load_does_and_readers_can_read_it(runs: Runs, minimal: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(1), "audit": []}, save_csv=True)
    runs.tables["cases"] = replace(CASES, columns=(*CASES.columns, Column("new", ColumnType.TEXT, "new", "It.")))
    run = run_at(2)
    chunk = runs.chunk(run, "cases", [[*values[:-1], "x", None] for values in documents(2)], [reject("r")])
    assert runs.load(run, {"cases": [chunk]}, max_reject_percent=100).committed
    for table in ("cases", "rejected_items", "pipeline_runs", "pipeline_run_tables"):
        assert minimal.sql(f"SET ROLE analysts; TABLE warehouse.{table} LIMIT 1")


def test_the_loader_role_can_be_run_again_for_tables_that_are_there_and_are_to_come(
    runs: Runs, minimal: Warehouse
) -> None:
    runs.load(run_at(1), {"cases": documents(1)})
    minimal.sql("CREATE TABLE warehouse.theirs (a int); REVOKE ALL ON ALL TABLES IN SCHEMA warehouse FROM analysts")
    run_loader_role(minimal)
    runs.load(run_at(2), {"audit": [row("audit", audit_id="a")]})
    for table in ("cases", "audit", "pipeline_runs"):
        assert minimal.sql(f"SET ROLE analysts; TABLE warehouse.{table} LIMIT 1")


@pytest.mark.parametrize(
    "owner",
    [
        "",  # pg_database_owner's, as PostgreSQL 15 and later make it
        "ALTER SCHEMA public OWNER TO admin; GRANT ALL ON SCHEMA public TO PUBLIC",  # as PostgreSQL 14 made it
    ],
)
def test_the_schema_public_does_as_well(runs: Runs, minimal: Warehouse, owner: str) -> None:
    minimal.sql(owner)
    run_loader_role(minimal, "public")
    assert runs.carry_out(runs.request(run_at(1)), schema="public").committed
    assert minimal.sql("SET ROLE analysts; SELECT count(*) FROM public.cases") == "1"


@pytest.mark.parametrize(
    "missing",
    [
        "REVOKE CREATE ON SCHEMA warehouse FROM demand_loader",
        "REVOKE USAGE ON SCHEMA warehouse FROM demand_loader",
        "DROP SCHEMA warehouse CASCADE",  # it may not make another
    ],
)
def test_a_missing_privilege_is_named_and_loads_nothing(runs: Runs, minimal: Warehouse, missing: str) -> None:
    minimal.sql(missing)
    with pytest.raises(DatabasePrivilegeError, match=r"SQLSTATE 42501: permission denied"):
        runs.load(run_at(1), {"cases": documents(1)})
    minimal.wait_until_closed()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE SCHEMA mine",
        "CREATE TABLE public.mine (a int)",
        "TABLE finance.ledger",
        "TABLE warehouse.theirs",
        "DROP TABLE warehouse.theirs",
        "CREATE VIEW warehouse.mine AS TABLE finance.ledger; TABLE warehouse.mine",
        "DROP SCHEMA warehouse",
        "DROP EXTENSION plpgsql",
        "CREATE ROLE mine",
        "ALTER ROLE demand_loader SUPERUSER",
        "ALTER ROLE demand_loader CREATEDB",
        "GRANT pg_read_all_data TO demand_loader",
        "SET ROLE pipeline",
        "CREATE DATABASE mine",
        "ALTER SYSTEM SET fsync = off",
        "SET session_replication_role = replica",
        "TABLE pg_authid",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT lo_import('/etc/hostname')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/dev/null'",
        "CREATE FUNCTION warehouse.mine() RETURNS int LANGUAGE c AS 'mine'",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'admin' AND pid <> pg_backend_pid()",
    ],
)
def test_the_loader_role_can_do_nothing_else(minimal: Warehouse, statement: str) -> None:
    minimal.sql("CREATE SCHEMA finance; CREATE TABLE finance.ledger (a int); CREATE TABLE warehouse.theirs (a int)")
    refused = "permission denied|must (be|have)|Only roles with"  # "must …" before PostgreSQL 16
    with pytest.raises(PostgresError, match=refused):
        minimal.sql(f"SET SESSION AUTHORIZATION demand_loader; {statement}")
