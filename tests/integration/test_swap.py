"""Swaps: what stays with the table, who sees what, and what outlives whom; loader and readers are unprivileged roles."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from demand_pipeline.contracts.loading import Again, LoadRequest, LoadResult, Strategy
from demand_pipeline.errors import DatabaseError, LockTimeoutError, PipelineError, StaleRunError, SwapRefusedError
from demand_pipeline.load import locks, transaction
from demand_pipeline.load.shadows import Shadows
from demand_pipeline.load.swap import builds, gate
from demand_pipeline.load.transaction import load_warehouse
from demand_pipeline.postgres import network
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from tests.support.functions import UNLIMITED
from tests.support.roles import analyst, create_analyst
from tests.support.runs import EVERYTHING, Runs, documents, reject, row, run_at
from tests.support.waiting import wait_for
from tests.support.warehouse import Warehouse

PARTITIONS = (
    "SELECT string_agg(inhrelid::regclass::text, ',' ORDER BY 1) FROM pg_inherits WHERE inhparent = '{}'::regclass"
)
INDEXES = "SELECT string_agg(indexrelid::regclass::text, ',' ORDER BY 1) FROM pg_index WHERE indrelid = '{}'::regclass"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (locks, gate, builds):
        monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(locks, "_ATTEMPTS", 3)
    monkeypatch.setattr(gate, "_WAIT_SECONDS", 1.0)


@pytest.fixture
def strategy(request: pytest.FixtureRequest) -> Strategy:
    """Swap, unless the test says otherwise."""
    return getattr(request, "param", Strategy.SWAP)


@pytest.fixture
def warehouse(minimal: Warehouse) -> Iterator[Warehouse]:
    """Reached by the loader as the role of docs/loader-role.sql, and by `analyst`."""
    create_analyst(minimal)
    yield minimal
    minimal.sql("DROP OWNED BY analyst CASCADE; DROP ROLE analyst")


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
    ALTER status SET (n_distinct = 7), SET (fillfactor = 70, toast.autovacuum_vacuum_cost_delay = 5);
CREATE TABLE warehouse.tenants (tenant_id text PRIMARY KEY);
INSERT INTO warehouse.tenants VALUES ('acme');
ALTER TABLE warehouse.tenants OWNER TO demand_loader;
ALTER TABLE warehouse.cases ADD FOREIGN KEY (tenant_id) REFERENCES warehouse.tenants;
COMMENT ON TABLE warehouse.cases IS 'Ours';
COMMENT ON COLUMN warehouse.cases.note IS 'A note';
COMMENT ON INDEX warehouse.hand_made IS 'An index';
REVOKE ALL ON warehouse.cases FROM analysts;
GRANT SELECT (document_id), INSERT (note) ON warehouse.cases TO analysts;
GRANT SELECT, TRIGGER ON warehouse.cases TO master WITH GRANT OPTION;
"""

# Everything that a table has but its OID and its partitions' names.
SHAPE = """
SELECT relacl::text, pg_get_userbyid(relowner), obj_description('warehouse.cases'::regclass)
FROM pg_class WHERE oid = 'warehouse.cases'::regclass;
SELECT attname, format_type(atttypid, atttypmod), attnotnull, attacl, attstattarget, attoptions,
       pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'warehouse.cases'::regclass AND attnum > 0 ORDER BY attnum;
SELECT conname, replace(pg_get_constraintdef(oid), 'ONLY ', '') FROM pg_constraint
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


TRIGGER = """
CREATE FUNCTION warehouse.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER stamp BEFORE INSERT ON warehouse.cases FOR EACH ROW EXECUTE FUNCTION warehouse.f()
"""
REFUSED = [
    ("CREATE TABLE warehouse.notes (d text REFERENCES warehouse.cases)", "the foreign key notes_d_fkey of .*notes refers"),
    ("ALTER TABLE warehouse.cases ADD COLUMN number int GENERATED ALWAYS AS IDENTITY", "number is an identity column"),
    (
        TRIGGER,
        "its trigger stamp would not fire",
    ),
    ("CREATE PUBLICATION changes FOR TABLE warehouse.cases", "the publication changes would not send its rows"),
    ("CREATE TABLE warehouse.child () INHERITS (warehouse.cases)", "child inherits from it"),
    ("CREATE VIEW warehouse.seen AS SELECT status FROM warehouse.cases", "view warehouse.seen depends on it"),
    ("CREATE MATERIALIZED VIEW warehouse.kept AS SELECT status FROM warehouse.cases", "materialized view warehouse.kept dep"),
    ("CREATE FUNCTION warehouse.g(warehouse.cases) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function warehouse.g"),
    ("ALTER TABLE warehouse.cases ENABLE ROW LEVEL SECURITY", "it has row-level security"),
    ("CREATE RULE nothing AS ON DELETE TO warehouse.cases DO INSTEAD NOTHING", "it has the rule nothing"),
    ("CREATE UNIQUE INDEX other ON warehouse.cases (case_id)", "unique index warehouse.other lacks the column document_id"),
    ("ALTER TABLE warehouse.cases REPLICA IDENTITY FULL", "its REPLICA IDENTITY is not the default"),
    ("ALTER TABLE warehouse.cases ADD COLUMN place serial", "its column owns the sequence warehouse.cases_place_seq"),
    (
        "ALTER TABLE warehouse.cases ADD EXCLUDE USING gist (int8range(version, version) WITH &&)",
        "the exclusion constraint cases_int8range_excl cannot be built",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "found"), REFUSED, ids=[found for _, found in REFUSED])
def test_what_cannot_be_swapped_is_refused_with_the_cure_before_anything_is_copied(
    runs: Runs, warehouse: Warehouse, change: str, found: str
) -> None:
    Runs(runs.staging, warehouse, strategy=Strategy.TRUNCATE).load(run_at(1))
    warehouse.sql(change)
    request = runs.request(run_at(2))
    with pytest.raises(SwapRefusedError, match=f"cases: expected a table that can be swapped, found .*{found}.*; "):
        runs.prepare(request)
    assert warehouse.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'warehouse_pipeline'::regnamespace") == "0"
    assert warehouse.count("cases") == 1


def test_partitions_made_by_hand_are_refused(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    warehouse.sql(
        "ALTER TABLE warehouse.cases DETACH PARTITION warehouse_pipeline.cases_current;"
        "CREATE TABLE warehouse.low PARTITION OF warehouse.cases FOR VALUES FROM (MINVALUE) TO ('m');"
    )
    with pytest.raises(SwapRefusedError, match=r"cases: .* 1 partitions that a swap has not made; load it by"):
        runs.prepare(runs.request(run_at(2)))


def test_the_statement_of_a_refusal_is_the_cure(runs: Runs, warehouse: Warehouse) -> None:
    Runs(runs.staging, warehouse, strategy=Strategy.TRUNCATE).load(run_at(1))
    cures = 0
    for change, _ in REFUSED:
        warehouse.sql(change)
        with pytest.raises(SwapRefusedError) as refused:
            runs.prepare(runs.request(run_at(2)))
        _, run, cure = str(refused.value).partition("; run ")
        if run:
            warehouse.sql(cure.split("; drop its")[0])
            cures += 1
        else:
            warehouse.sql(
                "DROP VIEW IF EXISTS warehouse.seen; DROP MATERIALIZED VIEW IF EXISTS warehouse.kept;"
                "DROP FUNCTION IF EXISTS warehouse.g(warehouse.cases); DROP PUBLICATION IF EXISTS changes"
            )
    assert cures == len(REFUSED) - 4
    assert runs.load(run_at(2)).committed


def test_no_snapshot_of_any_age_shows_an_empty_or_half_table(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(3)})
    request = runs.request(run_at(2), {"cases": documents(5)})
    with analyst(warehouse) as reader, analyst(warehouse) as other:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        [[pid]] = reader.query("SELECT pg_backend_pid() FROM pg_class LIMIT 1")
        with pytest.raises(LockTimeoutError, match=rf"process ids {pid}: snapshots older than the new rows"):
            runs.carry_out(request)
        assert reader.query("SELECT count(*) FROM warehouse.cases") == [[3]]
        reader.execute("COMMIT")
        # A snapshot after the copying sees the new rows, and so does not hold the swap up.
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.query("SELECT 1 FROM pg_class LIMIT 1")
        runs.carry_out(request)
        assert other.query("SELECT count(*) FROM warehouse.cases") == [[5]]


def test_a_writer_elsewhere_does_not_make_new_readers_look_old(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    warehouse.sql("CREATE SCHEMA elsewhere AUTHORIZATION analyst")
    with analyst(warehouse) as writer, analyst(warehouse) as reader, ThreadPoolExecutor(1) as pool:
        writer.execute("BEGIN")
        writer.execute("CREATE TABLE elsewhere.anything ()")
        load = pool.submit(runs.load, run_at(2), {"cases": documents(2)})
        while not load.done():
            reader.query("SELECT count(*) FROM warehouse.cases")
        assert load.result().committed


def test_a_swap_that_readers_hold_up_names_them_and_swaps_when_they_are_gone(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    request = runs.request(run_at(2), {"cases": documents(2)})
    with analyst(warehouse) as reader:
        reader.execute("BEGIN")
        [[pid, _]] = reader.query("SELECT pg_backend_pid(), count(*) FROM warehouse.cases")
        with pytest.raises(LockTimeoutError, match=rf"other sessions held locks .* now: process {pid}$"):
            runs.carry_out(request)
    assert runs.carry_out(request).tables[0].loaded == 2


def test_a_reader_of_the_previous_rows_does_not_hold_up_the_next_swap(runs: Runs, warehouse: Warehouse) -> None:
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)})
    with analyst(warehouse) as reader:
        reader.execute("BEGIN")
        reader.query("SELECT count(*) FROM warehouse_pipeline.cases_previous")
        runs.load(run_at(3), {"cases": documents(3)})
        assert reader.query("SELECT count(*) FROM warehouse_pipeline.cases_previous") == [[1]]
    runs.load(run_at(4), {"cases": documents(4)})
    assert warehouse.sql("SELECT count(*) FROM warehouse_pipeline.cases_previous") == "3"
    assert (
        tables_left(warehouse)
        == "cases_current,cases_previous,rejected_items_default,rejects_cases_current,rejects_cases_previous"
    )


def tables_left(warehouse: Warehouse) -> str:
    return warehouse.sql(
        "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = 'warehouse_pipeline'::regnamespace"
    )


@pytest.mark.parametrize("strategy", [Strategy.TRUNCATE, Strategy.MERGE], indirect=True)
def test_another_strategy_loads_the_parent_and_drops_the_previous_rows(
    runs: Runs, warehouse: Warehouse, strategy: Strategy
) -> None:
    swaps = Runs(runs.staging, warehouse, strategy=Strategy.SWAP)
    for hour in (1, 2):
        run = run_at(hour)
        swaps.load(run, {"cases": [runs.chunk(run, "cases", documents(3), [reject("r")])]}, max_reject_percent=50)
    run = run_at(3)
    runs.load(
        run, {"cases": [runs.chunk(run, "cases", documents(4), [reject("x"), reject("y")])]}, max_reject_percent=50
    )
    run = run_at(4)
    runs.load(run, {"audit": [runs.chunk(run, "audit", [], [reject("z")])]}, max_reject_percent=100)
    assert warehouse.count("cases") == 4
    assert (
        warehouse.sql("SELECT string_agg(run_id, ',' ORDER BY 1) FROM warehouse.rejected_items") == "run-3,run-3,run-4"
    )
    assert tables_left(warehouse) == "cases_current,rejected_items_default,rejects_cases_current"
    swaps.load(run_at(5), {"cases": documents(5), "audit": [row("audit", audit_id="a")]})
    assert warehouse.count("cases") == 5
    assert warehouse.count("rejected_items") == 0


def test_previous_rows_are_not_kept_if_not_wanted(runs: Runs, warehouse: Warehouse) -> None:
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)}, keep_previous=False)
    assert tables_left(warehouse) == "cases_current,rejected_items_default,rejects_cases_current"


def test_rows_replaced_by_another_run_that_was_committed_meanwhile_are_not_kept(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)})
    monkeypatch.setattr(transaction, "make_way", lambda *_, **__: None)  # it was done before the other's commit
    runs.load(run_at(3), {"cases": documents(3)})
    assert warehouse.sql("SELECT count(*) FROM warehouse_pipeline.cases_previous") == "2"


@contextmanager
def held_build(runs: Runs, request: LoadRequest, patch: pytest.MonkeyPatch) -> Iterator[list[Connection]]:
    """Hold up the build of the shadow's key by a lock; yields the builder's session once it waits."""
    sessions: list[Connection] = []

    def opened(*arguments: Any) -> Connection:
        sessions.append(open_session(*arguments))
        return sessions[-1]

    patch.setattr(builds, "open_session", opened)
    shadow = shadow_of(request)
    with open_session(runs.warehouse.settings, "holder", Timeouts()) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(f"BEGIN; LOCK TABLE {shadow} IN ACCESS SHARE MODE")
        load = pool.submit(call, runs, request)
        wait_for(lambda: sessions and runs.warehouse.sql("SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1"))
        yield sessions
        assert load.result() == Again(30)


def call(runs: Runs, request: LoadRequest) -> LoadResult | Again:
    return load_warehouse(request, runs.warehouse.settings, runs.staging, UNLIMITED)


def shadow_of(request: LoadRequest) -> str:
    return Shadows(None, "warehouse", request.run).rows("cases")  # type: ignore[arg-type]


def copied(runs: Runs) -> LoadRequest:
    """A run that is copied, and not yet built."""
    runs.load(run_at(1))
    request = runs.request(run_at(2), {"cases": documents(2)})
    runs.prepare(request)
    assert runs.copy(request, request.tables[0].chunks[0]).copied
    return request


KEY = "SELECT indexrelid FROM pg_index WHERE indisvalid AND indrelid = '{}'::regclass"


def test_an_index_build_outlives_its_client(runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    request = copied(runs)
    with held_build(runs, request, monkeypatch) as [session]:
        network.hang_up(session._sock)
    wait_for(lambda: warehouse.sql(KEY.format(shadow_of(request))))
    index = warehouse.sql(KEY.format(shadow_of(request)))
    assert runs.carry_out(request).tables[0].loaded == 2
    assert warehouse.sql(KEY.format("warehouse_pipeline.cases_current")) == index


def test_a_build_that_was_ended_is_started_once_more_then_fails_the_load_and_again_by_a_redrive(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = copied(runs)
    for _ in range(2):
        with held_build(runs, request, monkeypatch):
            end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE"
            warehouse.sql(f"{end} 'demand-pipeline build %'")
    with pytest.raises(
        DatabaseError, match="cases: cases_pkey was started 2 times, and ended without a result each time"
    ):
        runs.carry_out(request)
    assert warehouse.count("cases") == 1
    assert runs.carry_out(request).tables[0].loaded == 2


def test_a_call_waits_for_the_build_of_an_earlier_one(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = copied(runs)
    with held_build(runs, request, monkeypatch) as [session]:
        monkeypatch.setattr(builds, "_WAIT_SECONDS", 0.2)
        assert call(runs, request) == Again(30)
        network.hang_up(session._sock)


def test_a_late_older_run_is_refused_before_it_drops_what_can_be_rolled_back(runs: Runs, warehouse: Warehouse) -> None:
    older = runs.request(run_at(1), {"cases": documents(9)})
    runs.prepare(older)
    for hour in (2, 3):
        runs.load(run_at(hour), {"cases": documents(hour)})
    with pytest.raises(StaleRunError):
        runs.carry_out(older)
    assert warehouse.sql("SELECT count(*) FROM warehouse_pipeline.cases_previous") == "2"
