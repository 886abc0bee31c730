"""A short part of the fault campaign, with fixed seeds; `make soak` runs as many as one likes."""

import pytest

from local.postgres import PostgresServer
from tests.faults.campaign import run_round
from tests.faults.faults import KINDS
from tests.faults.schedule import draw_schedule


@pytest.mark.parametrize("seed", [101, 103, 112, 116])  # two of each strategy
def test_a_round_of_the_campaign_survives(server: PostgresServer, seed: int) -> None:
    outcome = run_round(draw_schedule(seed), server)
    assert outcome.problems == []


def test_the_same_seed_draws_the_same_schedule_and_another_one_another() -> None:
    assert draw_schedule(7) == draw_schedule(7)
    assert len({str(draw_schedule(seed)) for seed in range(50)}) == 50


def test_both_strategies_are_drawn_about_as_often() -> None:
    assert 80 < sum(draw_schedule(seed).strategy == "merge" for seed in range(200)) < 120


def test_every_kind_is_drawn() -> None:
    drawn = {fault.kind for seed in range(len(KINDS)) for fault in draw_schedule(seed).faults}
    assert drawn == set(KINDS)
