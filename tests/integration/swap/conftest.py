"""Swaps by the role of docs/loader-role.sql; readers are another unprivileged role."""

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.load.swap import builds, gate
from demand_pipeline.load.warehouse import locks
from tests.support.warehouse import Warehouse


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (locks, gate, builds):
        monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(locks, "_ATTEMPTS", 3)
    monkeypatch.setattr(gate, "_WAIT_SECONDS", 1.0)


@pytest.fixture
def strategy(request: pytest.FixtureRequest) -> Strategy:
    """Swap, unless the test says otherwise."""
    return getattr(request, "param", Strategy.SWAP)


@pytest.fixture
def warehouse(analysed: Warehouse) -> Warehouse:
    """Reached by the loader as the role of docs/loader-role.sql, and by `analyst`."""
    return analysed
