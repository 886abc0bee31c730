"""What a swap would break or lose is refused with its cure, before anything is copied."""

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import SwapRefusedError
from tests.support.runs import Runs, run_at
from tests.support.warehouse import Warehouse

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
