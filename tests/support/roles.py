"""Sessions of others in the warehouse: of an analyst, who may read and nothing else, and of an administrator."""

from collections.abc import Iterator
from contextlib import contextmanager

from demand_pipeline.postgres.connection import Connection, Timeouts, connect
from demand_pipeline.postgres.credentials import Credentials, read_tls_root
from demand_pipeline.postgres.network import trust
from tests.support.warehouse import Warehouse


@contextmanager
def analyst(warehouse: Warehouse, name: str = "analyst") -> Iterator[Connection]:
    """A session of a role that `create_analyst` has made."""
    with _session(warehouse, Credentials(name, name), "a reader") as connection:
        yield connection


@contextmanager
def administrator(warehouse: Warehouse) -> Iterator[Connection]:
    """A session of the superuser."""
    server = warehouse.server
    with _session(warehouse, Credentials(server.admin, server.admin_password), "somebody's client") as connection:
        yield connection


def _session(warehouse: Warehouse, credentials: Credentials, client: str) -> Connection:
    context = trust(read_tls_root(warehouse.settings))
    return connect(warehouse.settings, credentials, context, client, Timeouts(idle=120))


def create_analyst(warehouse: Warehouse, name: str = "analyst") -> None:
    """Create a role that may read what the analysts may."""
    warehouse.sql(
        f"CREATE ROLE {name} LOGIN PASSWORD '{name}' IN ROLE analysts; GRANT CONNECT ON DATABASE "
        f'"{warehouse.settings.database}" TO analysts'
    )
