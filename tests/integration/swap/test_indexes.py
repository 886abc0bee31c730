"""No index is built while readers are locked out: ATTACH takes over those that were built before."""

from typing import Any

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import SwapRefusedError
from demand_pipeline.load.context import LoadContext
from demand_pipeline.load.swap import builds, rollback, strategy
from tests.integration.conftest import before_placing
from tests.integration.swap.test_rollback import back
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse

KEY_TWINS = (
    "CREATE UNIQUE INDEX again ON warehouse.cases (document_id);"
    "ALTER TABLE warehouse.cases ADD CONSTRAINT once_more UNIQUE (document_id)"
)
TWINS = "CREATE INDEX one ON warehouse.cases (status); CREATE INDEX two ON warehouse.cases (status)"
# PostgreSQL takes these for alike, although their order differs.
DIRECTIONS = "CREATE INDEX up ON warehouse.cases (status); CREATE INDEX down ON warehouse.cases (status DESC)"
KEY_LAST = (
    "ALTER TABLE warehouse.cases DROP CONSTRAINT cases_pkey; CREATE UNIQUE INDEX first ON warehouse.cases (document_id);"
    "ALTER TABLE warehouse.cases ADD PRIMARY KEY (document_id)"
)
# With the suffix of a run these have the same first 50 characters, or more than 63 bytes.
LONG, WIDE = "i" * 60, "ä" * 31
LONG_NAMES = ";".join(f"CREATE INDEX {name} ON warehouse.cases (status)" for name in (f"{LONG}a", f"{LONG}b", WIDE))

INDEXES = """
SELECT string_agg(indexrelid || '=' || relfilenode, ',' ORDER BY indexrelid), count(inhparent)
FROM pg_index JOIN pg_class ON oid = indexrelid LEFT JOIN pg_inherits ON inhrelid = indexrelid
WHERE indrelid = '{}'::regclass
"""


def indexes(warehouse: Warehouse, table: str) -> tuple[str, int]:
    """The indexes of a table, each as OID and file, and how many are attached to a parent's."""
    found, attached = warehouse.sql(INDEXES.format(table)).split("|")
    return found, int(attached)


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "parent"])
@pytest.mark.parametrize(
    "change", [KEY_TWINS, TWINS, DIRECTIONS, KEY_LAST, LONG_NAMES], ids=["key", "twins", "order", "key last", "names"]
)
def test_the_indexes_of_a_partition_are_those_that_were_built_before_the_lock(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, change: str, plain: bool
) -> None:
    built: list[tuple[str, int]] = []

    def remember(context: LoadContext) -> None:
        built.append(indexes(warehouse, context.shadows.rows("cases")))

    first = Runs(runs.staging, warehouse, strategy=Strategy.TRUNCATE if plain else Strategy.SWAP)
    first.load(run_at(1), {"cases": documents(1)})
    warehouse.sql(change)
    before_placing(monkeypatch, remember)
    find = builds.find_builds  # as if each call ended after one build
    monkeypatch.setattr(builds, "find_builds", lambda *arguments: find(*arguments)[:1])
    for hour in (2, 3):
        runs.load(run_at(hour), {"cases": documents(hour)})
        current, attached = indexes(warehouse, "warehouse_pipeline.cases_current")
        assert (current, 0) == built[-1]
        assert attached == current.count("=")
    check_rollback(warehouse, monkeypatch)


def check_rollback(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tuple[str, int]] = []
    lock = rollback.lock_exclusive  # type: ignore[attr-defined]

    def locked(*arguments: Any) -> None:
        [[found, attached]] = arguments[0].query(INDEXES.format("warehouse_pipeline.cases_previous"))
        built.append((found, attached))
        lock(*arguments)

    monkeypatch.setattr(rollback, "lock_exclusive", locked)
    back(warehouse)
    current, attached = indexes(warehouse, "warehouse_pipeline.cases_current")
    assert [(current, 0)] == built
    assert attached == len(
        warehouse.sql("SELECT 1 FROM pg_index WHERE indrelid = 'warehouse.cases'::regclass").splitlines()
    )


@pytest.mark.parametrize("change", [KEY_TWINS, TWINS, DIRECTIONS, KEY_LAST], ids=["key", "twins", "order", "key last"])
def test_a_rollback_builds_what_the_table_got_since_before_it_locks_readers_out(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)})
    warehouse.sql(f"CREATE INDEX one_before ON warehouse.cases (status); {change}")
    check_rollback(warehouse, monkeypatch)


def test_a_swap_that_would_build_an_index_under_the_lock_is_rolled_back(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.load(run_at(1))
    request = runs.request(run_at(2), {"cases": documents(2)})
    runs.prepare(request)
    warehouse.sql(TWINS)
    for module in (strategy, builds):  # as if the two disagreed with PostgreSQL about what is there
        monkeypatch.setattr(module, "find_builds", lambda *_: [])
    with pytest.raises(SwapRefusedError, match=r"cases_current.*: PostgreSQL built an index under the lock"):
        runs.carry_out(request)
    assert warehouse.count("cases") == 1
