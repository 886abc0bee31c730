"""Who may read partitions: nobody the current ones, and the former ones whoever may read the table now."""

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import DatabasePrivilegeError
from tests.integration.swap.test_rollback import back
from tests.support.roles import analyst
from tests.support.runs import Runs, documents, reject, run_at
from tests.support.warehouse import Warehouse

NOW = ["warehouse_pipeline.cases_current", "warehouse_pipeline.rejects_cases_current", "warehouse_pipeline.rejected_items_default"]  # fmt: skip
BEFORE = ["warehouse_pipeline.cases_previous", "warehouse_pipeline.rejects_cases_previous"]
TABLES = ["warehouse.cases", "warehouse.rejected_items"]

NO_GRANTS = "REVOKE SELECT ON warehouse.cases, warehouse.rejected_items FROM analysts"
# No policy: readers see no row.
POLICIES = """
ALTER TABLE warehouse.cases ENABLE ROW LEVEL SECURITY; ALTER TABLE warehouse.rejected_items ENABLE ROW LEVEL SECURITY
"""


def load(runs: Runs, hour: int) -> None:
    run = run_at(hour)
    runs.load(run, {"cases": [runs.chunk(run, "cases", documents(hour), [reject("r")])]}, max_reject_percent=100)


def readable(warehouse: Warehouse) -> list[str]:
    """The tables and partitions that the analyst may read."""
    found = []
    with analyst(warehouse) as reader:
        reader.execute("BEGIN; SET row_security = on")
        for relation in (*TABLES, *NOW, *BEFORE):
            reader.execute("SAVEPOINT one")
            try:
                reader.query(f"SELECT count(*) FROM {relation}")  # noqa: S608 - names of our own
            except DatabasePrivilegeError:
                reader.execute("ROLLBACK TO SAVEPOINT one")
            else:
                found.append(relation)
    return found


@pytest.mark.parametrize(
    ("change", "left"), [(NO_GRANTS, []), (POLICIES, TABLES)], ids=["revoked", "row-level security"]
)
def test_what_is_taken_from_readers_of_a_table_is_not_left_in_its_partitions_after_a_rollback(
    runs: Runs, warehouse: Warehouse, change: str, left: list[str]
) -> None:
    for hour in (1, 2):
        load(runs, hour)
    assert readable(warehouse) == TABLES + BEFORE
    warehouse.sql(change)
    back(warehouse)
    assert readable(warehouse) == left
    load(runs, 3)
    assert readable(warehouse) == left


def test_nobody_may_read_the_current_partition_whatever_default_privileges_say(
    runs: Runs, warehouse: Warehouse
) -> None:
    warehouse.sql(
        "ALTER DEFAULT PRIVILEGES FOR ROLE demand_loader GRANT SELECT ON TABLES TO analysts;"
        "ALTER DEFAULT PRIVILEGES FOR ROLE demand_loader IN SCHEMA warehouse_pipeline GRANT ALL ON TABLES TO PUBLIC"
    )
    request = runs.request(run_at(1))
    runs.prepare(request)
    owners_alone = (
        "SELECT count(*) FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'warehouse_pipeline'::regnamespace "
        "AND starts_with(relname, 'cases_') AND grantee <> relowner"
    )
    assert warehouse.sql(owners_alone) == "0"
    runs.carry_out(request)
    assert warehouse.sql(owners_alone) == "0"
    load(runs, 2)
    assert readable(warehouse) == TABLES + BEFORE


def test_the_grants_of_a_plain_table_are_not_left_on_the_partition_that_it_becomes(
    runs: Runs, warehouse: Warehouse
) -> None:
    load(Runs(runs.staging, warehouse, strategy=Strategy.TRUNCATE), 1)
    warehouse.sql(f"{NO_GRANTS}; GRANT SELECT (run_id) ON warehouse.rejected_items TO PUBLIC")
    warehouse.sql("GRANT SELECT ON warehouse.cases TO demand_loader, analysts WITH GRANT OPTION")
    warehouse.sql(
        "SET ROLE analysts; GRANT SELECT ON warehouse.cases TO analyst"  # which only CASCADE takes away
    )
    load(runs, 2)
    assert readable(warehouse) == TABLES + BEFORE
    back(warehouse)
    assert readable(warehouse) == TABLES + BEFORE


def test_previous_rows_that_a_reader_keeps_from_being_replaced_have_the_grants_of_now(
    runs: Runs, warehouse: Warehouse
) -> None:
    for hour in (1, 2):
        load(runs, hour)
    with analyst(warehouse) as reader:
        reader.execute("BEGIN")
        reader.query("SELECT count(*) FROM warehouse_pipeline.cases_previous")
        warehouse.sql(NO_GRANTS)
        load(runs, 3)
        assert warehouse.sql("SELECT count(*) FROM warehouse_pipeline.cases_previous") == "1"
        with pytest.raises(DatabasePrivilegeError):
            reader.query("SELECT count(*) FROM warehouse_pipeline.cases_previous")
