"""Sessions of others in the warehouse: of an analyst, who may read and nothing else, through the analysts' role."""

from collections.abc import Iterator
from contextlib import contextmanager

from demand_pipeline.postgres.connection import Connection, Timeouts, connect
from demand_pipeline.postgres.credentials import Credentials, read_tls_root
from demand_pipeline.postgres.network import trust
from tests.support.warehouse import Warehouse


@contextmanager
def analyst(warehouse: Warehouse, name: str = "analyst") -> Iterator[Connection]:
    """A session of a role that `create_analyst` has made."""
    context = trust(read_tls_root(warehouse.settings))
    with connect(warehouse.settings, Credentials(name, name), context, "a reader", Timeouts(idle=120)) as connection:
        yield connection


def create_analyst(warehouse: Warehouse, name: str = "analyst") -> None:
    """Create a role that may read what the analysts may."""
    warehouse.sql(
        f"CREATE ROLE {name} LOGIN PASSWORD '{name}' IN ROLE analysts; GRANT CONNECT ON DATABASE "
        f'"{warehouse.settings.database}" TO analysts'
    )
