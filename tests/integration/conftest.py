"""A load's tests: runs for every strategy, and the warehouse as its least privileged role reaches it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.load.context import LoadContext
from demand_pipeline.load.in_place import strategy as in_place
from demand_pipeline.load.swap.strategy import Swap
from demand_pipeline.s3.staging import Staging
from tests.support.roles import create_analyst
from tests.support.runs import Runs
from tests.support.warehouse import Warehouse

LOADER_ROLE = Path(__file__).parents[2] / "docs" / "loader-role.sql"

TRUNCATE_ALONE = pytest.mark.parametrize("strategy", [Strategy.TRUNCATE])
MERGE_ALONE = pytest.mark.parametrize("strategy", [Strategy.MERGE])
IN_ONE_TRANSACTION = pytest.mark.parametrize("strategy", [Strategy.TRUNCATE, Strategy.MERGE])
SWAP_ALONE = pytest.mark.parametrize("strategy", [Strategy.SWAP])
EVERY_STRATEGY = pytest.mark.parametrize("strategy", Strategy)
OTHERS = [Strategy.MERGE, Strategy.SWAP]


# What differs between strategies has tests of its own; that nothing else does is proved by make test-slow.
@pytest.fixture(params=[Strategy.TRUNCATE, *(pytest.param(s, marks=pytest.mark.slow) for s in OTHERS)])
def strategy(request: pytest.FixtureRequest) -> Strategy:
    drawn: Strategy = request.param
    return drawn


@pytest.fixture
def runs(staging: Staging, warehouse: Warehouse, strategy: Strategy) -> Runs:
    """A promise holds for every strategy; a test of some alone is marked as such."""
    return Runs(staging, warehouse, strategy=strategy)


def before_placing(patch: pytest.MonkeyPatch, act: Callable[[LoadContext], None]) -> None:
    """Do something when everything is copied and checked, and nothing yet written to the target."""
    for strategy, replace_rows in in_place._REPLACE_ROWS.items():

        def acted(context: LoadContext, then: Callable[[LoadContext], None] = replace_rows) -> None:
            act(context)
            then(context)

        patch.setitem(in_place._REPLACE_ROWS, strategy, acted)
    publish = Swap.publish

    def published(swap: Swap) -> None:
        act(swap.context)
        publish(swap)

    patch.setattr(Swap, "publish", published)


def run_loader_role(warehouse: Warehouse, schema: str = "warehouse") -> None:
    """Run docs/loader-role.sql as `master`."""
    variables = f"\\set schema {schema}\n\\set readers analysts\n"
    warehouse.sql(f"SET SESSION AUTHORIZATION master;\n{variables}{LOADER_ROLE.read_text()}")


@pytest.fixture
def minimal(warehouse: Warehouse) -> Iterator[Warehouse]:
    """The warehouse, reached as the role of docs/loader-role.sql; `master` is like RDS's master user, no superuser."""
    database = warehouse.settings.database
    warehouse.sql(
        "CREATE ROLE master CREATEDB CREATEROLE; CREATE ROLE analysts;"
        f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC; ALTER DATABASE "{database}" OWNER TO master'
    )
    run_loader_role(warehouse)
    warehouse.sql("SET SESSION AUTHORIZATION master; ALTER ROLE demand_loader PASSWORD 'load'")
    warehouse.put_secret("demand_loader", "load")
    yield warehouse
    warehouse.sql(f'ALTER DATABASE "{database}" OWNER TO admin')
    for role in ("demand_loader", "analysts", "master"):
        warehouse.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture
def analysed(minimal: Warehouse) -> Iterator[Warehouse]:
    """The same, and the role `analyst`, who may read what the load makes."""
    create_analyst(minimal)
    yield minimal
    minimal.sql("DROP OWNED BY analysts, analyst CASCADE; DROP ROLE analyst")
