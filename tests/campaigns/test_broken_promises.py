"""A campaign that cannot fail is worth nothing: with a promise broken on purpose, it fails."""

from dataclasses import replace

import pytest

from campaigns.faults.mutations import MUTATIONS, QUIET, TO_NEIGHBOURS, Mutation
from campaigns.faults.rounds import run_round
from campaigns.faults.strategies import STRATEGIES
from local.postgres import PostgresServer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.broken.__name__)
def test_the_campaign_notices_a_broken_promise(server: PostgresServer, mutation: Mutation) -> None:
    with mutation.broken():
        outcome = run_round(mutation.schedule, server)
    assert mutation.noticed in "\n".join(outcome.problems)


@pytest.mark.parametrize("mutation", TO_NEIGHBOURS, ids=lambda mutation: mutation.broken.__name__)
def test_without_it_the_same_schedule_passes(server: PostgresServer, mutation: Mutation) -> None:
    assert run_round(mutation.schedule, server).problems == []


@pytest.mark.parametrize("first", ["truncate", "swap"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_round_without_faults_passes(server: PostgresServer, first: str, strategy: str) -> None:
    assert run_round(replace(QUIET, first_strategy=first, strategy=strategy), server).problems == []
