"""A swap that would break or lose something is refused with a cure, before anything is copied."""

import pytest

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.contracts.operating.request import ActionName, OperateRequest
from demand_pipeline.errors import SwapRefusedError
from demand_pipeline.load.swap import parent
from demand_pipeline.operate.answer import operate
from tests.support.runs import Runs, run_at
from tests.support.warehouse import Warehouse

TRIGGER = """
CREATE FUNCTION warehouse.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER stamp BEFORE INSERT ON warehouse.cases FOR EACH ROW EXECUTE FUNCTION warehouse.f()
"""
TENANTS = "CREATE TABLE warehouse.tenants (id text PRIMARY KEY); ALTER TABLE warehouse.tenants OWNER TO demand_loader"
TENANT = "ALTER TABLE warehouse.cases ADD FOREIGN KEY (tenant_id) REFERENCES warehouse.tenants"
REFUSED = [
    ("CREATE TABLE warehouse.notes (d text REFERENCES warehouse.cases)", "the foreign key notes_d_fkey of warehouse.notes refers"),
    ("ALTER TABLE warehouse.cases ADD COLUMN number int GENERATED ALWAYS AS IDENTITY", "number is an identity column"),
    (TRIGGER, "its trigger stamp would not fire"),
    ("CREATE PUBLICATION changes FOR TABLE warehouse.cases", "the publication changes would not send its rows"),
    ("CREATE TABLE warehouse.child () INHERITS (warehouse.cases)", "child inherits from it"),
    ("CREATE VIEW warehouse.seen AS SELECT status FROM warehouse.cases", "view warehouse.seen depends on it"),
    ("CREATE MATERIALIZED VIEW warehouse.kept AS SELECT status FROM warehouse.cases", "materialized view warehouse.kept dep"),
    ("CREATE FUNCTION warehouse.g(warehouse.cases) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function warehouse.g"),
    ("ALTER TABLE warehouse.cases ENABLE ROW LEVEL SECURITY", "its row-level security would be lost"),
    ("CREATE POLICY few ON warehouse.cases USING (true)", "the policy few would be lost"),
    ("CREATE RULE nothing AS ON DELETE TO warehouse.cases DO INSTEAD NOTHING", "the rule nothing would be lost"),
    ("CREATE UNIQUE INDEX other ON warehouse.cases (case_id)", "unique index warehouse.other lacks the partitioning column document_id"),
    ("ALTER TABLE warehouse.cases REPLICA IDENTITY USING INDEX cases_pkey", "its REPLICA IDENTITY would be lost"),
    ("ALTER TABLE warehouse.cases ADD COLUMN place serial", "the ownership of the sequence warehouse.cases_place_seq"),
    (
        "ALTER TABLE warehouse.cases ADD EXCLUDE USING gist (int8range(version, version) WITH &&)",
        "the exclusion constraint cases_int8range_excl cannot be built",
    ),
    ("ALTER TABLE warehouse.cases ADD CONSTRAINT few CHECK (version < 9) NOT VALID", "its constraint few is NOT VALID"),
    (
        f"{TENANTS}; {TENANT} NOT VALID",
        "its constraint cases_tenant_id_fkey is NOT VALID",
    ),
    (
        f"{TENANTS}; {TENANT}; ALTER TABLE warehouse.tenants OWNER TO master",
        "its owner lacks the privilege REFERENCES for its foreign key cases_tenant_id_fkey to warehouse.tenants",
    ),
    ("ALTER TABLE warehouse.cases ADD CONSTRAINT few CHECK (version < 9) NO INHERIT", "its constraint few is NO INHERIT"),
    ("DO $$ BEGIN EXECUTE (SELECT format('CREATE TYPE warehouse.one AS (%s)', string_agg(format('%I %s', attname, atttypid::regtype), ',' ORDER BY attnum)) FROM pg_attribute WHERE attrelid = 'warehouse.cases'::regclass AND attnum > 0); END $$; ALTER TABLE warehouse.cases OF warehouse.one", "its type warehouse.one would be lost"),
    ("ALTER TABLE warehouse.cases CLUSTER ON cases_pkey", "the CLUSTER mark of the index cases_pkey would be lost"),
    ("ALTER TABLE warehouse.cases SET UNLOGGED", "its UNLOGGED property would be lost"),
    ("CREATE STATISTICS warehouse.pair ON status, case_id FROM warehouse.cases", "the statistics object warehouse.pair would"),
    (
        "CREATE INDEX low ON warehouse.cases (lower(status)); ALTER INDEX warehouse.low ALTER COLUMN 1 SET STATISTICS 500",
        "the statistics target of the index low would be lost",
    ),
    ("ALTER INDEX warehouse.cases_pkey SET (fillfactor = 50)", "the settings of the index cases_pkey would be lost"),
]  # fmt: skip


def doctor(warehouse: Warehouse) -> str:
    """The failures that `demand doctor` finds, in the words of a load; a statement stands alone."""
    request = OperateRequest(ActionName.CHECK, Fields({"strategy": Strategy.SWAP}, "arguments"))
    findings = operate(request, warehouse.settings, seconds=60)["findings"]
    failures = [finding for finding in findings if finding["state"] == "failure"]
    return " ".join(
        f"{found['subject'].removeprefix('table ')} {found['message']}; {found['action']}" for found in failures
    )


@pytest.mark.parametrize(("change", "found"), REFUSED, ids=[found for _, found in REFUSED])
def test_what_cannot_be_swapped_is_refused_by_load_and_doctor_before_anything_is_copied(
    runs: Runs, warehouse: Warehouse, change: str, found: str
) -> None:
    """The statement of the message is the cure."""
    Runs(runs.staging, warehouse, strategy=Strategy.TRUNCATE).load(run_at(1))
    warehouse.sql(change)
    request = runs.request(run_at(2))
    with pytest.raises(SwapRefusedError, match=f"^cases cannot be swapped: .*{found}.*; ") as refused:
        runs.prepare(request)
    assert doctor(warehouse) == str(refused.value).replace("; run ", "; ")
    assert warehouse.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'warehouse_pipeline'::regnamespace") == "0"
    assert warehouse.count("cases") == 1
    _, run, cure = str(refused.value).partition("; run ")
    if run:
        warehouse.sql(cure)
        assert doctor(warehouse) == ""
        assert runs.carry_out(request).committed


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "parent"])
def test_what_a_table_gets_while_it_is_loaded_is_refused_too(runs: Runs, warehouse: Warehouse, plain: bool) -> None:
    Runs(runs.staging, warehouse, strategy=Strategy.TRUNCATE if plain else Strategy.SWAP).load(run_at(1))
    request = runs.request(run_at(2))
    runs.prepare(request)
    warehouse.sql(
        "ALTER TABLE warehouse.cases ENABLE ROW LEVEL SECURITY" if plain else TRIGGER.replace("BEFORE", "AFTER")
    )
    with pytest.raises(SwapRefusedError):
        runs.carry_out(request)


def test_partitions_made_by_hand_are_refused(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    warehouse.sql(
        "ALTER TABLE warehouse.cases DETACH PARTITION warehouse_pipeline.cases_current;"
        "CREATE TABLE warehouse.low PARTITION OF warehouse.cases FOR VALUES FROM (MINVALUE) TO ('m');"
    )
    with pytest.raises(SwapRefusedError, match=r"cases .* 1 partitions that were not created by a swap; load it with"):
        runs.prepare(runs.request(run_at(2)))


AUDITOR = """
CREATE FUNCTION warehouse.f() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE made record; BEGIN
    FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS changed_by text', made.object_identity);
    END LOOP; END $$;
CREATE EVENT TRIGGER audit_columns ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION warehouse.f()
"""


def test_a_rehearsal_finds_what_nobody_has_thought_of(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    Runs(runs.staging, warehouse, strategy=Strategy.TRUNCATE).load(run_at(1))
    with monkeypatch.context() as patch:
        patch.setattr(parent, "revoke_all", lambda connection, tables: connection.execute(f"DROP INDEX {tables[0]}"))
        with pytest.raises(
            SwapRefusedError, match=r"rejected_items .*: a rehearsal with an empty copy of it failed: SQL"
        ):
            runs.prepare(runs.request(run_at(2)))
    warehouse.sql(AUDITOR)
    with pytest.raises(SwapRefusedError, match=r"rejected_items .*: the column changed_by would be new; load it with"):
        runs.prepare(runs.request(run_at(2)))
    warehouse.sql("ALTER EVENT TRIGGER audit_columns DISABLE")
    assert runs.load(run_at(2)).committed
