"""The properties that a table keeps when it becomes a parent, and after swaps."""

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import PipelineError
from tests.support.roles import analyst
from tests.support.runs import EVERYTHING, Runs, documents, run_at
from tests.support.warehouse import Warehouse

PARTITIONS = (
    "SELECT string_agg(inhrelid::regclass::text, ',' ORDER BY 1) FROM pg_inherits WHERE inhparent = '{}'::regclass"
)
INDEXES = "SELECT string_agg(indexrelid::regclass::text, ',' ORDER BY 1) FROM pg_index WHERE indrelid = '{}'::regclass"


def test_a_missing_table_is_created_as_a_parent_and_swapped_from_then_on(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), EVERYTHING)
    assert runs.load(run_at(2), {"cases": documents(5)}).tables[0].previous_rows == 3
    assert warehouse.sql(PARTITIONS.format("warehouse.cases")) == "warehouse_pipeline.cases_current"
    assert warehouse.sql("SELECT count(*) FROM warehouse_pipeline.cases_previous") == "3"
    assert warehouse.sql("SELECT relkind FROM pg_class WHERE oid = 'warehouse.cases'::regclass") == "p"
    with analyst(warehouse) as reader:
        assert reader.query("SELECT count(*) FROM warehouse.cases") == [[5]]
        assert reader.query("SELECT count(*) FROM warehouse_pipeline.cases_previous") == [[3]]


PLAIN = """
CREATE INDEX "By ""tenant"" USING" ON warehouse.cases (tenant_id, lower(status)) INCLUDE (version) WHERE status <> 'x';
CREATE UNIQUE INDEX hand_made ON warehouse.cases (document_id, case_id) NULLS NOT DISTINCT;
ALTER TABLE warehouse.cases ADD COLUMN note text NOT NULL DEFAULT 'by hand', ADD COLUMN twice bigint GENERATED ALWAYS AS
    (page_count * 2) STORED, ADD CONSTRAINT few CHECK (page_count < 1000), ALTER status SET STATISTICS 500,
    ALTER status SET (n_distinct = 7), REPLICA IDENTITY FULL, SET (fillfactor = 70, toast.autovacuum_vacuum_cost_delay = 5);
CREATE TABLE warehouse.tenants (tenant_id text PRIMARY KEY);
INSERT INTO warehouse.tenants VALUES ('acme');
ALTER TABLE warehouse.tenants OWNER TO demand_loader;
ALTER TABLE warehouse.cases ADD FOREIGN KEY (tenant_id) REFERENCES warehouse.tenants;
COMMENT ON TABLE warehouse.cases IS 'Ours';
COMMENT ON COLUMN warehouse.cases.note IS 'A note';
COMMENT ON INDEX warehouse.hand_made IS 'An index';
COMMENT ON CONSTRAINT cases_pkey ON warehouse.cases IS 'The key';
COMMENT ON CONSTRAINT few ON warehouse.cases IS 'Few';
COMMENT ON CONSTRAINT cases_tenant_id_fkey ON warehouse.cases IS 'Whose';
REVOKE ALL ON warehouse.cases FROM analysts;
GRANT SELECT (document_id), INSERT (note) ON warehouse.cases TO analysts;
GRANT SELECT, TRIGGER ON warehouse.cases TO master WITH GRANT OPTION;
"""

# Everything that a table has but its OID and its partitions' names.
SHAPE = """
SELECT relacl::text, relreplident, pg_get_userbyid(relowner), obj_description('warehouse.cases'::regclass)
FROM pg_class WHERE oid = 'warehouse.cases'::regclass;
SELECT attname, format_type(atttypid, atttypmod), attnotnull, attacl, attstattarget, attoptions,
       pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'warehouse.cases'::regclass AND attnum > 0 ORDER BY attnum;
SELECT conname, replace(pg_get_constraintdef(oid), 'ONLY ', ''), obj_description(oid, 'pg_constraint') FROM pg_constraint
WHERE conrelid = 'warehouse.cases'::regclass AND contype <> 'n' ORDER BY 1;
SELECT replace(pg_get_indexdef(indexrelid), ' ONLY', ''), obj_description(indexrelid) FROM pg_index
WHERE indrelid = 'warehouse.cases'::regclass ORDER BY 1;
"""


def storage(warehouse: Warehouse, table: str) -> str:
    return warehouse.sql(
        "SELECT class.reloptions, toast.reloptions FROM pg_class class JOIN pg_class toast ON toast.oid = class.reltoastrelid "  # noqa: S608 - names of our own
        f"WHERE class.oid = '{table}'::regclass"
    )


def test_a_plain_table_keeps_all_that_it_has_when_it_becomes_a_parent_and_through_swaps(
    runs: Runs, warehouse: Warehouse
) -> None:
    Runs(runs.staging, warehouse, strategy=Strategy.TRUNCATE).load(run_at(1), {"cases": documents(4, tenant_id="acme")})
    warehouse.sql(
        PLAIN if int(warehouse.sql("SHOW server_version_num")) >= 150000 else PLAIN.replace("NULLS NOT DISTINCT", "")
    )
    shape, settings = warehouse.sql(SHAPE), storage(warehouse, "warehouse.cases")
    for hour in (2, 3, 4):
        runs.load(run_at(hour), {"cases": documents(hour, tenant_id="acme")})
        assert warehouse.sql(SHAPE) == shape
        assert storage(warehouse, "warehouse_pipeline.cases_current") == settings
        assert warehouse.sql("SELECT count(*), min(note) FROM warehouse.cases") == f"{hour}|by hand"
        assert (
            warehouse.sql("SELECT count(*) FROM pg_index WHERE indrelid = 'warehouse_pipeline.cases_current'::regclass")
            == "3"
        )
    with analyst(warehouse) as reader:
        assert reader.query("SELECT count(document_id) FROM warehouse_pipeline.cases_previous") == [[3]]
        with pytest.raises(PipelineError, match="permission denied"):
            reader.query("SELECT status FROM warehouse_pipeline.cases_previous")


def test_views_grants_and_what_was_made_by_hand_between_swaps_stay(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(1)})
    warehouse.sql(
        "CREATE VIEW warehouse.seen AS SELECT status, count(*) FROM warehouse.cases GROUP BY 1;"
        "GRANT SELECT ON warehouse.seen TO analysts; CREATE INDEX later ON warehouse.cases (case_id);"
        "ALTER TABLE warehouse.cases ADD COLUMN note text DEFAULT 'n', DROP COLUMN extra, ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY everything ON warehouse.cases USING (true)"
    )
    runs.load(run_at(2), {"cases": documents(2)})
    with analyst(warehouse) as reader:
        reader.execute("SET row_security = on")
        assert reader.query("SELECT count FROM warehouse.seen") == [[2]]
        assert reader.query("SELECT count(*), min(note), count(extra) FROM warehouse.cases") == [[2, "n", 0]]
        with pytest.raises(PipelineError, match="permission denied"):  # the policy does not hold for a partition
            reader.query("TABLE warehouse_pipeline.cases_previous")
    assert "cases_id_idx" not in warehouse.sql(INDEXES.format("warehouse.cases"))
    assert (
        warehouse.sql("SELECT count(*) FROM pg_index WHERE indrelid = 'warehouse_pipeline.cases_current'::regclass")
        == "2"
    )
