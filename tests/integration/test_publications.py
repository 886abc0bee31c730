"""Publications of others that send all tables: every table of ours has a replica identity."""

from dataclasses import replace

import pytest

from campaigns.faults.reader import client
from demand_pipeline.contracts.loading import StagedChunk, Strategy
from tests.integration.conftest import IN_ONE_TRANSACTION
from tests.support.runs import Runs, documents, reject, run_at
from tests.support.warehouse import Warehouse

_EXISTING = "ALTER TABLE warehouse.rejected_items REPLICA IDENTITY DEFAULT"
_LEAVES = """
    SELECT pg_class.oid::regclass FROM pg_class LEFT JOIN pg_inherits ON inhrelid = pg_class.oid
    WHERE relkind = 'r' AND 'warehouse.rejected_items'::regclass IN (pg_class.oid, inhparent)
"""
# Rows of these cannot be updated or deleted once they are published.
_WITHOUT_IDENTITY = """
    SELECT oid::regclass FROM pg_class
    WHERE relkind = 'r' AND relpersistence = 'p' AND relnamespace::regnamespace::text LIKE 'warehouse%'
      AND NOT (relreplident = 'f' OR relreplident = 'd' AND EXISTS (
          SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary))
"""


def load(runs: Runs, hour: int, strategy: Strategy, **options: bool) -> bool:
    request = runs.request(run_at(hour), {"cases": rejecting(runs, hour)}, max_reject_percent=100, **options)
    return runs.carry_out(replace(request, strategy=strategy)).committed


def rejecting(runs: Runs, hour: int) -> list[StagedChunk]:
    return [runs.chunk(run_at(hour), "cases", documents(hour), [reject(f"bad-{hour}")])]


@IN_ONE_TRANSACTION
@pytest.mark.parametrize("publication", ["ALL TABLES", "TABLES IN SCHEMA warehouse, warehouse_pipeline"])
@pytest.mark.parametrize("before", [(), (Strategy.TRUNCATE,), (Strategy.SWAP, Strategy.SWAP)], ids=str)
def test_rejected_items_can_be_replaced_while_they_are_published(
    runs: Runs, warehouse: Warehouse, publication: str, before: tuple[Strategy, ...]
) -> None:
    if "SCHEMA" in publication and warehouse.server.major_version < 15:
        pytest.skip("PostgreSQL 15 publishes schemas")
    for hour, strategy in enumerate(before, start=1):
        load(runs, hour, strategy)
    if before:
        for [relation] in [line.split() for line in warehouse.sql(_LEAVES).splitlines()]:
            warehouse.sql(f"ALTER TABLE {relation} REPLICA IDENTITY DEFAULT")
    else:
        warehouse.sql(
            "CREATE SCHEMA warehouse AUTHORIZATION pipeline; CREATE SCHEMA warehouse_pipeline AUTHORIZATION pipeline"
        )
    warehouse.sql(f"CREATE PUBLICATION everything FOR {publication}")
    assert load(runs, 3, runs.strategy)
    assert load(runs, 4, runs.strategy)
    assert warehouse.sql("SELECT run_id FROM warehouse.rejected_items") == "run-4"


@IN_ONE_TRANSACTION
def test_a_dry_run_of_a_published_warehouse_changes_nothing(runs: Runs, warehouse: Warehouse) -> None:
    load(runs, 1, runs.strategy)
    warehouse.sql(f"{_EXISTING}; CREATE PUBLICATION everything FOR ALL TABLES")
    assert not load(runs, 2, runs.strategy, dry_run=True)
    assert warehouse.sql(_WITHOUT_IDENTITY) == "warehouse.rejected_items"


def test_every_table_has_a_replica_identity(runs: Runs, warehouse: Warehouse) -> None:
    for hour, strategy in enumerate([*Strategy, Strategy.SWAP, Strategy.MERGE], start=1):
        load(runs, hour, strategy)
        assert warehouse.sql(_WITHOUT_IDENTITY) == ""


@IN_ONE_TRANSACTION
def test_a_table_with_a_replica_identity_is_not_locked_for_it(runs: Runs, warehouse: Warehouse) -> None:
    load(runs, 1, runs.strategy)
    with client(warehouse.server) as reader:
        reader.run("BEGIN")
        reader.run("LOCK TABLE warehouse.rejected_items IN ACCESS SHARE MODE")
        assert load(runs, 2, runs.strategy)
