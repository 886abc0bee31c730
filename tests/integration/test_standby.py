"""A server that cannot be written at the moment: a load waits for another one, and an operator is told."""

from collections.abc import Iterator
from typing import Any

import pytest

from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.operating.check import State
from demand_pipeline.contracts.operating.request import OperateRequest
from demand_pipeline.errors import DatabaseConnectionError
from demand_pipeline.operate.answer import operate
from demand_pipeline.s3.staging import Staging
from local.postgres import PostgresServer
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse, settings_for

pytestmark = pytest.mark.long


@pytest.fixture
def own(aws: None) -> Iterator[Warehouse]:
    """A warehouse on a server of its own."""
    with PostgresServer.temporary() as server:
        yield Warehouse(server, settings_for(server))


def turn(server: PostgresServer, *, standby: bool) -> None:
    """Restart as a standby, or as the primary again."""
    signal = server.folder / "data" / "standby.signal"
    server.stop()
    if standby:
        signal.touch()
    else:
        signal.unlink()
    server.start()


def ask(warehouse: Warehouse, action: str, **arguments: Any) -> dict[str, Any]:
    request = OperateRequest.from_event({"contract": CONTRACT, "action": action, "arguments": arguments}, changing=True)
    return operate(request, warehouse.settings, 60)


def test_a_load_is_retried_as_in_a_failover_while_the_server_is_a_standby(own: Warehouse, staging: Staging) -> None:
    runs = Runs(staging, own)
    own.sql(f"ALTER DATABASE \"{own.settings.database}\" SET default_transaction_isolation = 'serializable'")
    request = runs.request(run_at(1), {"cases": documents(2)})
    runs.prepare(request)
    turn(own.server, standby=True)
    refused = f"{own.settings.host}:{own.settings.port}: the server is a standby"
    with pytest.raises(DatabaseConnectionError, match=refused):
        runs.carry_out(request)
    with pytest.raises(DatabaseConnectionError, match=refused):
        runs.copy(request, request.tables[0].chunks[0])
    server, *_ = ask(own, "check", strategy="truncate")["findings"]
    assert (server["state"], "is a standby" in server["message"]) == (State.FAILURE, True)
    with pytest.raises(DatabaseConnectionError, match=refused):
        ask(own, "rollback", run=None, by="me", reason="because")
    turn(own.server, standby=False)
    assert runs.carry_out(request).committed
