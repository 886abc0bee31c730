"""Yesterday back with one statement's wait, and what changed since; by the loader's role, for readers of another."""

from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.contracts.operating.previous import ChangedColumn, ChangedRow, DiffAnswer, RollbackRequest
from demand_pipeline.errors import PipelineError, RollbackError, RunRolledBackError, StaleRunError
from demand_pipeline.load.swap.diff import diff_table
from demand_pipeline.load.swap.rollback import roll_back
from demand_pipeline.load.warehouse.schema import TableSchema
from demand_pipeline.operate.previous import finish_rollback
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.session import open_session
from tests.support.roles import analyst
from tests.support.runs import Runs, documents, reject, row, run_at
from tests.support.warehouse import Warehouse

ROWS = "SELECT string_agg(DISTINCT status, ',') || count(*) FROM warehouse.cases"


def back(warehouse: Warehouse, run: str | None = None) -> dict[str, str | None]:
    with open_session(warehouse.settings, "operate rollback", Timeouts()) as connection:
        connection.execute("BEGIN")
        wanted = RollbackRequest(run, "somebody", "half the rows are missing")
        done = roll_back(connection, "warehouse", TABLES, wanted)
        connection.execute("COMMIT")
        finish_rollback(connection, "warehouse", done)
    return {table.table: table.run for table in done.tables}


def load(runs: Runs, hour: int, rows: int = 1, **options: Any) -> None:
    """A run whose rows and rejects tell it, of two tables."""
    run = run_at(hour)
    cases = runs.chunk(run, "cases", documents(rows, status=str(hour)), [reject(f"r{hour}")])
    runs.load(run, {"cases": [cases], "audit": [row("audit", audit_id=str(hour))]}, max_reject_percent=50, **options)


def test_a_rollback_brings_back_rows_rejects_and_counts_of_all_tables(runs: Runs, warehouse: Warehouse) -> None:
    load(runs, 1, rows=3)
    load(runs, 2, rows=5)
    with analyst(warehouse) as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.query("SELECT 1 FROM pg_class LIMIT 1")
        assert back(warehouse, "run-2") == {"cases": "run-1", "audit": "run-1"}
        assert reader.query(ROWS) == [["13"]]
        reader.execute("COMMIT")
        assert reader.query("SELECT run_id, item_key ->> 'documentId' FROM warehouse.rejected_items") == [
            ["run-1", "r1"]
        ]
        assert reader.query("SELECT audit_id FROM warehouse.audit") == [["1"]]
        assert reader.query("SELECT count(*) FROM warehouse_pipeline.cases_previous") == [[5]]
    assert warehouse.sql(
        "SELECT run_id, status, rolled_back_at > committed_at, rolled_back_by, rolled_back_reason "
        "FROM warehouse.pipeline_runs ORDER BY 1"
    ).splitlines() == ["run-1|committed|||", "run-2|rolled back|t|somebody|half the rows are missing"]


def test_the_run_that_was_rolled_back_stays_so_and_later_runs_go_forward(runs: Runs, warehouse: Warehouse) -> None:
    load(runs, 1)
    load(runs, 3)
    back(warehouse)
    with pytest.raises(RunRolledBackError, match=r"run run-3 was rolled back at .* by somebody, 'half the rows"):
        load(runs, 3)
    with pytest.raises(StaleRunError):
        load(runs, 2)
    assert warehouse.sql(ROWS) == "11"
    [cases] = runs.load(run_at(4), {"cases": documents(2, status="4")}).tables
    assert (cases.previous_rows, warehouse.sql(ROWS)) == (1, "42")
    assert back(warehouse) == {"cases": "run-1"}
    assert warehouse.sql(ROWS) == "11"


def test_a_plain_table_comes_back_as_it_was_before_its_first_swap(runs: Runs, warehouse: Warehouse) -> None:
    load(Runs(runs.staging, warehouse, strategy=Strategy.TRUNCATE), 1, rows=3)
    load(runs, 2)
    assert back(warehouse)["cases"] == "run-1"
    assert warehouse.sql(ROWS) == "13"
    assert warehouse.sql("SELECT item_key ->> 'documentId' FROM warehouse.rejected_items") == "r1"


@pytest.mark.parametrize(
    "change",
    [
        "ADD COLUMN note text NOT NULL DEFAULT 'n', ADD COLUMN twice bigint GENERATED ALWAYS AS (page_count * 2) STORED",
        "DROP COLUMN supplier_name",
        "ADD CHECK (status <> 'x'), ADD CHECK (status <> 'y') NOT VALID, ALTER COLUMN status SET NOT NULL",
        "ADD UNIQUE (document_id, status)",
    ],
)
def test_a_rollback_copes_with_what_was_changed_by_hand_since_the_swap(
    runs: Runs, warehouse: Warehouse, change: str
) -> None:
    load(runs, 1, rows=3)
    load(runs, 2)
    warehouse.sql(f"ALTER TABLE warehouse.cases {change}; CREATE INDEX later ON warehouse.cases (status)")
    columns = (
        "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'warehouse.cases'::regclass"
    )
    before = warehouse.sql(columns)
    back(warehouse)
    assert warehouse.sql(ROWS) == "13"
    assert warehouse.sql(columns) == before
    indexes = "SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid = '{}'::regclass"
    assert warehouse.sql(indexes.format("warehouse.cases")) == warehouse.sql(
        indexes.format("warehouse_pipeline.cases_current")
    )
    load(runs, 3)
    assert warehouse.sql(ROWS) == "31"


def test_what_cannot_be_rolled_back_is_named(runs: Runs, warehouse: Warehouse) -> None:
    def refused(message: str, run: str | None = None) -> None:
        with pytest.raises(RollbackError, match=message):
            back(warehouse, run)

    refused("warehouse: no run is committed")
    load(runs, 1)
    refused('rows that run run-1 replaced are not kept: "warehouse_pipeline"."audit_previous" does not exist')
    load(runs, 2)
    refused(r"only the last run \(run-2\) can be rolled back, not run-1", "run-1")
    load(Runs(runs.staging, warehouse, strategy=Strategy.MERGE), 3)
    refused('rows that run run-3 replaced are not kept: .*"audit_previous" does not exist')
    load(runs, 4)
    warehouse.sql("COMMENT ON TABLE warehouse_pipeline.audit_previous IS 'Something else'")
    refused(r"audit_previous.* does not contain the rows that run run-4 replaced, but: 'Something else'")
    load(runs, 5)
    back(warehouse)
    refused("the last run, run-5, was already rolled back at .* by somebody")
    assert warehouse.sql(ROWS) == "41"


def diff(warehouse: Warehouse, samples: int = 10) -> DiffAnswer:
    with open_session(warehouse.settings, "operate diff", Timeouts()) as connection:
        return diff_table(connection, "warehouse", TableSchema.of(TABLES["metadata"]), samples)


def field(document: int, name: str = "total", **values: Any) -> list[Any]:
    return row("metadata", document_id=str(document), field_name=name, **values)


def test_a_diff_counts_and_shows_by_key_what_was_added_removed_and_changed(runs: Runs, warehouse: Warehouse) -> None:
    first = [field(0), field(1, reviewed=True, extractor="a"), field(2, confidence=1.0), *map(field, range(10, 30))]
    second = [
        field(1, reviewed=False, extractor="a"),
        field(2, confidence="1.00"),
        field(3, "iban"),
        *map(field, range(10, 30)),
    ]
    runs.load(run_at(1), {"metadata": first})
    with pytest.raises(RollbackError, match=r"metadata_previous. does not exist"):
        diff(warehouse)
    runs.load(run_at(2), {"metadata": second})
    assert diff(warehouse) == DiffAnswer(
        table="metadata",
        previous='What "warehouse"."metadata" had of metadata before run run-2.',
        added=1,
        removed=1,
        changed=2,
        columns=(ChangedColumn("confidence", 1), ChangedColumn("reviewed", 1)),
        added_keys=('["3", "iban"]',),
        removed_keys=('["0", "total"]',),
        changed_rows=(ChangedRow('["1", "total"]', ("reviewed",)), ChangedRow('["2", "total"]', ("confidence",))),
    )
    few = diff(warehouse, samples=1)
    assert (few.changed, len(few.changed_rows)) == (2, 1)
    runs.load(run_at(3), {"metadata": second})
    same = diff(warehouse)
    assert (same.added, same.removed, same.changed, same.columns, same.changed_rows) == (0, 0, 0, (), ())


def test_a_reader_may_not_roll_back(runs: Runs, warehouse: Warehouse) -> None:
    load(runs, 1)
    load(runs, 2)
    with analyst(warehouse) as reader, pytest.raises(PipelineError, match="expected the owner analyst"):
        reader.execute("BEGIN")
        roll_back(reader, "warehouse", TABLES, RollbackRequest(None, "me", "no"))
