"""An attempt to lock readers out ends before PostgreSQL looks for deadlocks, however many relations it locks."""

import pytest

from demand_pipeline.load.locks import lock_exclusive
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.statements import qualified
from tests.support.warehouse import Warehouse

PARTITIONED = """
CREATE TABLE warehouse.t0 (id int) PARTITION BY RANGE (id);
CREATE TABLE warehouse.t0_low PARTITION OF warehouse.t0 FOR VALUES FROM (MINVALUE) TO (0);
CREATE TABLE warehouse.t0_high PARTITION OF warehouse.t0 FOR VALUES FROM (0) TO (MAXVALUE);
"""


@pytest.mark.parametrize(("tables", "relations"), [(1, 3), (4, 6), (20, 22)])
def test_all_locks_of_an_attempt_wait_less_than_deadlock_timeout(
    warehouse: Warehouse, tables: int, relations: int
) -> None:
    plain = "".join(f"CREATE TABLE warehouse.t{number} (id int);" for number in range(1, tables))
    with open_session(warehouse.settings, "run", Timeouts()) as loader:
        for statement in ("CREATE SCHEMA warehouse;" + PARTITIONED + plain).strip().split(";")[:-1]:
            loader.execute(statement)
        loader.execute("BEGIN")
        lock_exclusive(loader, [qualified("warehouse", f"t{number}") for number in range(tables)])
        [[each, limit]] = loader.query(
            "SELECT (SELECT setting::int FROM pg_settings WHERE name = 'lock_timeout'), "
            "(SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout')"
        )
        [[locked]] = loader.query("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted")
    assert locked == relations
    assert 0.5 * limit < relations * each < limit
