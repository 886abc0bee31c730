"""Once a run is committed nothing fails it: what cannot be dropped stays, is named, and a later run drops it."""

import re
from collections.abc import Callable, Iterator

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import MissingTableError
from demand_pipeline.load.transaction import load_warehouse
from demand_pipeline.load.warehouse import housekeeping
from tests.integration.conftest import EVERY_STRATEGY, SWAP_ALONE, TRUNCATE_ALONE
from tests.support.functions import UNLIMITED
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse

_FORBID = """
    CREATE SCHEMA audit;
    CREATE FUNCTION audit.forbid() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE object_type = 'table' AND NOT is_temporary) THEN
            {body};
        END IF;
    END $$;
    CREATE EVENT TRIGGER no_drop ON sql_drop EXECUTE FUNCTION audit.forbid();
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "_LOCK_SECONDS", 0.1)


@pytest.fixture(
    params=[
        "RAISE 'kept'",
        "PERFORM pg_cancel_backend(pid), pg_sleep(9)",
        "PERFORM pg_terminate_backend(pid), pg_sleep(9)",
    ],
    ids=["refused", "cancelled", "session ended"],
)
def forbidden_drops(request: pytest.FixtureRequest, warehouse: Warehouse) -> Iterator[Callable[[], None]]:
    """An event trigger that lets no table be dropped; calling the value takes it away."""
    warehouse.sql(_FORBID.format(body=request.param.replace("pid", "pg_backend_pid()")))

    def allow() -> None:
        warehouse.sql("DROP EVENT TRIGGER IF EXISTS no_drop")

    yield allow
    allow()


def ended(warehouse: Warehouse) -> str:
    """Tables of runs in the pipeline's schema."""
    return warehouse.sql(
        "SELECT string_agg(regexp_replace(relname, '_[0-9a-f]{8}_', '_'), ',' ORDER BY relname) FROM pg_class "
        "WHERE relnamespace = 'warehouse_pipeline'::regnamespace AND relkind = 'r' AND relname ~ '_[0-9a-f]{12}$'"
    )


@SWAP_ALONE
@pytest.mark.parametrize("later", Strategy)
def test_a_view_on_the_previous_rows_keeps_them_and_fails_no_run(
    later: Strategy, runs: Runs, warehouse: Warehouse
) -> None:
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)})
    warehouse.sql("CREATE SCHEMA mine; CREATE VIEW mine.v AS SELECT * FROM warehouse_pipeline.cases_previous")
    third = runs.request(run_at(3), {"cases": documents(3)})
    kept = r"warehouse_pipeline\.cases_old_[0-9a-f_]+ was not dropped.*: view mine\.v depends on it"
    for _ in range(2):  # a redrive of a committed run says the same
        [warning] = runs.carry_out(third).warnings
        assert re.fullmatch(kept, warning)
    runs.strategy = later
    fourth = runs.load(run_at(4), {"cases": documents(4)})
    assert [bool(re.fullmatch(kept, warning)) for warning in fourth.warnings] == [True]
    assert (warehouse.count("cases"), warehouse.sql("SELECT count(*) FROM mine.v")) == (4, "1")
    warehouse.sql("DROP VIEW mine.v")
    assert runs.load(run_at(5), {"cases": documents(5)}).warnings == ()
    assert ended(warehouse) == ""


@EVERY_STRATEGY
def test_a_drop_that_fails_leaves_tables_and_fails_no_run(
    runs: Runs, warehouse: Warehouse, forbidden_drops: Callable[[], None]
) -> None:
    for hour in (1, 2):
        result = runs.load(run_at(hour), {"cases": documents(hour)})
        assert result.committed
        assert any("dropped" in warning or "after the commit" in warning for warning in result.warnings)
    assert warehouse.count("cases") == 2
    forbidden_drops()
    for ledger in re.findall(r"pipeline_ledger_\w+", ended(warehouse)):
        warehouse.sql(f"UPDATE warehouse_pipeline.{ledger} SET touched_at = touched_at - interval '46 minutes'")  # noqa: S608 - names of our own
    assert runs.load(run_at(3), {"cases": documents(3)}).warnings == ()
    assert ended(warehouse) == ""


@TRUNCATE_ALONE
def test_a_table_that_an_extension_owns_stays_and_fails_no_run(runs: Runs, warehouse: Warehouse) -> None:
    first = runs.request(run_at(1), {"cases": documents(1)})
    runs.prepare(first)
    [table] = re.findall(r"\bcases_[0-9a-f]{12}\b", ended(warehouse))
    warehouse.sql(f"ALTER EXTENSION plpgsql ADD TABLE warehouse_pipeline.{table}")
    try:
        [warning] = runs.carry_out(first).warnings
        assert "extension plpgsql" in warning
    finally:
        warehouse.sql(f"ALTER EXTENSION plpgsql DROP TABLE warehouse_pipeline.{table}")
    assert runs.load(run_at(2), {"cases": documents(2)}).warnings == ()
    assert ended(warehouse) == ""


@TRUNCATE_ALONE
def test_a_missing_table_of_others_is_not_taken_for_missing_shadows(runs: Runs, warehouse: Warehouse) -> None:
    request = runs.request(run_at(1), {"cases": documents(1)})
    runs.prepare(request)
    [table] = re.findall(r"\bcases_[0-9a-f]{12}\b", ended(warehouse))
    warehouse.sql(
        "CREATE SCHEMA audit; CREATE FUNCTION audit.write() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM FROM nowhere; RETURN NULL; END $$;"
        f"CREATE TRIGGER audit AFTER INSERT ON warehouse_pipeline.{table} EXECUTE FUNCTION audit.write()"
    )
    with pytest.raises(MissingTableError, match='"nowhere" does not exist'):
        load_warehouse(request, warehouse.settings, runs.staging, UNLIMITED)
