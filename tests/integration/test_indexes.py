"""Indexes that a load drops and makes again come back exactly; those that might not are left alone."""

from collections.abc import Iterator

import pytest

from demand_pipeline.errors import DuplicateKeyError
from demand_pipeline.load.in_place import truncate
from tests.integration.conftest import TRUNCATE_ALONE
from tests.support.runs import Runs, documents, row, run_at
from tests.support.warehouse import Warehouse

pytestmark = TRUNCATE_ALONE

# All that PostgreSQL knows of an index, but for what is new in a rebuilt one.
KNOWN = """
    SELECT relation.relname, relation.relnamespace::regnamespace, relation.relowner::regrole, relation.relkind,
           relation.reltablespace, relation.reloptions, relation.relreplident, pg_get_indexdef(relation.oid),
           obj_description(relation.oid, 'pg_class'), i.indisunique, i.indisprimary, i.indisexclusion, i.indimmediate,
           i.indisclustered, i.indisvalid, i.indisready, i.indislive, i.indisreplident, i.indkey, i.indoption,
           rule.conname, rule.contype, rule.condeferrable, rule.condeferred, rule.convalidated, rule.conislocal,
           pg_get_constraintdef(rule.oid), obj_description(rule.oid, 'pg_constraint'),
           (SELECT array_agg((attname, attstattarget, attoptions, attcollation) ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = relation.oid),
           (SELECT relreplident FROM pg_class WHERE oid = i.indrelid)
    FROM pg_index AS i JOIN pg_class AS relation ON relation.oid = i.indexrelid
    LEFT JOIN pg_constraint AS rule ON rule.conindid = i.indexrelid AND rule.contype IN ('p', 'u', 'x')
    WHERE i.indrelid = 'warehouse.cases'::regclass ORDER BY 1
"""
OIDS = "SELECT relname, oid FROM pg_class WHERE oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'warehouse.cases'::regclass)"

REBUILT = {
    "plain": "CREATE INDEX mine ON warehouse.cases (status)",
    "unique": "CREATE UNIQUE INDEX mine ON warehouse.cases (tenant_id, document_id) INCLUDE (status)",
    "unique nulls": "CREATE UNIQUE INDEX mine ON warehouse.cases (case_id) NULLS NOT DISTINCT WHERE case_id IS NOT NULL",
    "partial": "CREATE INDEX mine ON warehouse.cases (due_date DESC NULLS LAST) WHERE status = 'op''en' AND NOT is_duplicate",
    "expression": "CREATE FUNCTION public.fold(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';"
    "CREATE INDEX mine ON warehouse.cases (public.fold(supplier_name), (net_amount + tax_amount))",
    "operator class": 'CREATE INDEX mine ON warehouse.cases (status text_pattern_ops, case_id COLLATE "C" DESC)',
    "gin": "CREATE INDEX mine ON warehouse.cases USING gin (line_items jsonb_path_ops, tags) WITH (fastupdate = off)",
    "brin": "CREATE INDEX mine ON warehouse.cases USING brin (received_at) WITH (pages_per_range = 7)",
    "hash": "CREATE INDEX mine ON warehouse.cases USING hash (case_id)",
    "odd name": "CREATE INDEX \"Mine; -- é '$1' %I {x} :run\" ON warehouse.cases (status)",
    "storage": "CREATE INDEX mine ON warehouse.cases (status) WITH (fillfactor = 55, deduplicate_items = off)",
    "index comment": "CREATE INDEX mine ON warehouse.cases (status); COMMENT ON INDEX warehouse.mine IS 'who''s\\n :is %s'",
    "unique constraint": "ALTER TABLE warehouse.cases ADD CONSTRAINT mine UNIQUE (document_id, tenant_id) INCLUDE (status)",
    "deferrable": "ALTER TABLE warehouse.cases ADD CONSTRAINT mine UNIQUE (document_id, tenant_id) DEFERRABLE",
    "deferred": "ALTER TABLE warehouse.cases ADD CONSTRAINT mine UNIQUE (document_id) WITH (fillfactor = 60) DEFERRABLE INITIALLY DEFERRED",
    "constraint comment": "COMMENT ON CONSTRAINT cases_pkey ON warehouse.cases IS 'the key'; COMMENT ON INDEX warehouse.cases_pkey IS 'its index'",
    "key renamed": 'ALTER TABLE warehouse.cases RENAME CONSTRAINT cases_pkey TO "The Key"',
    "key deferrable": "ALTER TABLE warehouse.cases DROP CONSTRAINT cases_pkey, ADD PRIMARY KEY (document_id) DEFERRABLE",
    "key with more": "ALTER TABLE warehouse.cases DROP CONSTRAINT cases_pkey, ADD PRIMARY KEY (document_id) WITH (fillfactor = 70)",
    "replica identity full": "ALTER TABLE warehouse.cases REPLICA IDENTITY FULL",
}
LEFT_ALONE = {
    "referenced by a foreign key": (
        "cases_pkey",
        "ALTER TABLE warehouse.cases ADD FOREIGN KEY (case_id) REFERENCES warehouse.cases",
    ),
    "grouped by in a view": (
        "cases_pkey",
        "CREATE VIEW warehouse.view AS SELECT document_id, status FROM warehouse.cases GROUP BY document_id",
    ),
    "replica identity": (
        "mine",
        "CREATE UNIQUE INDEX mine ON warehouse.cases (document_id); ALTER TABLE warehouse.cases REPLICA IDENTITY USING INDEX mine",
    ),
    "inherited by another role's table": (
        "cases_pkey",
        "CREATE TABLE public.child () INHERITS (warehouse.cases); GRANT TRUNCATE ON public.child TO pipeline",
    ),
    "clustered": ("mine", "CREATE INDEX mine ON warehouse.cases (status); CLUSTER warehouse.cases USING mine"),
    "statistics target": (
        "mine",
        "CREATE INDEX mine ON warehouse.cases ((lower(status))); ALTER INDEX warehouse.mine ALTER COLUMN 1 SET STATISTICS 7",
    ),
    "exclusion": (
        "mine",
        "ALTER TABLE warehouse.cases ADD CONSTRAINT mine EXCLUDE USING btree (document_id WITH =)",
    ),
    "extension's": (
        "mine",
        "CREATE INDEX mine ON warehouse.cases (status); ALTER INDEX warehouse.mine DEPENDS ON EXTENSION plpgsql",
    ),
}


@pytest.fixture
def filled(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """A table with rows, and loads for which three rows are many."""
    monkeypatch.setattr(truncate, "_MANY_ROWS", 3)
    runs.load(run_at(1), {"cases": documents(5, status="open")})
    return runs


def reload(runs: Runs, warehouse: Warehouse) -> tuple[set[str], set[str]]:
    """Load again; return the names of the indexes that were rebuilt, and of those that are the same ones."""
    known, before = warehouse.sql(KNOWN), set(warehouse.sql(OIDS).splitlines())
    runs.load(run_at(2), {"cases": documents(4)})
    assert warehouse.sql(KNOWN) == known
    after = set(warehouse.sql(OIDS).splitlines())
    return {line.partition("|")[0] for line in after - before}, {line.partition("|")[0] for line in after & before}


@pytest.mark.parametrize("definition", REBUILT.values(), ids=REBUILT)
def test_an_index_comes_back_as_it_was(filled: Runs, warehouse: Warehouse, definition: str) -> None:
    if "NULLS NOT DISTINCT" in definition and warehouse.server.major_version < 15:
        pytest.skip("this PostgreSQL has no NULLS NOT DISTINCT")
    warehouse.sql(definition)
    rebuilt, kept = reload(filled, warehouse)
    assert len(rebuilt) == int(
        warehouse.sql("SELECT count(*) FROM pg_index WHERE indrelid = 'warehouse.cases'::regclass")
    )
    assert not kept


@pytest.mark.parametrize(("name", "definition"), LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_an_index_that_might_not_come_back_the_same_is_left_alone(
    filled: Runs, warehouse: Warehouse, name: str, definition: str
) -> None:
    warehouse.sql(definition)
    _, kept = reload(filled, warehouse)
    assert kept == {name}


@pytest.fixture
def tablespace(warehouse: Warehouse) -> Iterator[str]:
    warehouse.sql(
        "SET allow_in_place_tablespaces = on; CREATE TABLESPACE elsewhere LOCATION ''; GRANT CREATE ON TABLESPACE elsewhere TO pipeline"
    )
    yield "elsewhere"
    warehouse.sql("DROP TABLE warehouse.cases; DROP TABLESPACE elsewhere")


def test_an_index_in_a_tablespace_of_its_own_is_left_alone(filled: Runs, warehouse: Warehouse, tablespace: str) -> None:
    warehouse.sql(f"CREATE INDEX mine ON warehouse.cases (status) TABLESPACE {tablespace}")
    assert reload(filled, warehouse) == ({"cases_pkey"}, {"mine"})


def test_nothing_is_moved_to_the_default_tablespace(filled: Runs, warehouse: Warehouse, tablespace: str) -> None:
    warehouse.sql(f"ALTER ROLE pipeline SET default_tablespace = {tablespace}")
    try:
        assert reload(filled, warehouse) == (set(), {"cases_pkey"})
    finally:
        warehouse.sql("ALTER ROLE pipeline RESET default_tablespace")


def test_a_partitioned_tables_indexes_are_left_alone(filled: Runs, warehouse: Warehouse) -> None:
    warehouse.sql(
        "CREATE TEMPORARY TABLE old (LIKE warehouse.cases); DROP TABLE warehouse.cases;"
        "CREATE TABLE warehouse.cases (LIKE pg_temp.old, PRIMARY KEY (document_id)) PARTITION BY HASH (document_id);"
        "CREATE TABLE warehouse.part PARTITION OF warehouse.cases FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "ALTER TABLE warehouse.cases OWNER TO pipeline; ALTER TABLE warehouse.part OWNER TO pipeline"
    )
    assert reload(filled, warehouse) == (set(), {"cases_pkey"})


def test_a_partitions_indexes_are_left_alone(filled: Runs, warehouse: Warehouse) -> None:
    warehouse.sql(
        "CREATE TABLE warehouse.all_cases (LIKE warehouse.cases, PRIMARY KEY (document_id)) PARTITION BY LIST (document_id);"
        "ALTER TABLE warehouse.all_cases ATTACH PARTITION warehouse.cases DEFAULT"
    )
    assert reload(filled, warehouse) == (set(), {"cases_pkey"})


def test_without_the_right_to_make_them_indexes_are_left_alone(filled: Runs, warehouse: Warehouse) -> None:
    warehouse.sql("ALTER SCHEMA warehouse OWNER TO admin; GRANT USAGE ON SCHEMA warehouse TO pipeline")
    assert reload(filled, warehouse) == (set(), {"cases_pkey"})


def test_a_small_load_keeps_the_indexes(filled: Runs, warehouse: Warehouse) -> None:
    before = warehouse.sql(OIDS)
    filled.load(run_at(2), {"cases": documents(2)})
    assert warehouse.sql(OIDS) == before


def test_two_rows_with_one_key_are_refused_where_the_index_was_dropped_too(filled: Runs, warehouse: Warehouse) -> None:
    before = warehouse.sql(OIDS)
    message = r'table cases, constraint cases_pkey.* it refuses 4 items: \{"documentId": "same"\}, '
    with pytest.raises(DuplicateKeyError, match=message) as caught:
        filled.load(run_at(2), {"cases": [row("cases", document_id="same", status="tel-555")] * 4})
    assert "tel-555" not in str(caught.value)
    assert warehouse.sql(OIDS) == before
