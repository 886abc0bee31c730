"""The operators' functions on a loaded warehouse."""

import pytest

from demand_pipeline.contracts.loading import Strategy
from tests.support.runs import EVERYTHING, Runs, run_at


@pytest.fixture
def strategy() -> Strategy:
    """How the rows came there makes no difference to any question."""
    return Strategy.TRUNCATE


@pytest.fixture
def loaded(runs: Runs) -> Runs:
    runs.load(run_at(1), EVERYTHING)
    return runs
