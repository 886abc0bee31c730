"""A short part of the fault campaign, with fixed seeds; `make soak` runs as many as one likes."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from campaigns.faults.__main__ import kinds_never_injected
from campaigns.faults.defaults import WORST
from campaigns.faults.faults import KINDS, Fault
from campaigns.faults.mutations import QUIET
from campaigns.faults.others import OTHERS
from campaigns.faults.reader import WAYS
from campaigns.faults.rounds import Outcome, run_round
from campaigns.faults.schedule import draw_schedule
from campaigns.faults.strategies import STRATEGIES
from campaigns.faults.swap import roll_back
from demand_pipeline.errors import LockTimeoutError, PipelineError, RollbackError
from local.postgres import PostgresServer


@pytest.mark.parametrize(
    "seed", [5005, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (101, 5008, 5011, 5014))]
)
def test_a_round_of_the_campaign_survives(server: PostgresServer, seed: int) -> None:
    outcome = run_round(draw_schedule(seed), server)
    assert outcome.problems == []


@pytest.mark.parametrize("look", [4, *(pytest.param(look, marks=pytest.mark.slow) for look in (1, 16))])
def test_a_load_whose_time_runs_out_stops_itself(server: PostgresServer, look: int) -> None:
    fault = Fault("lambda out of time", "task/LoadWarehouse", "stops itself", call=look)
    outcome = run_round(replace(QUIET, faults=(fault,)), server)
    assert outcome.problems == []
    assert outcome.endings == ["SUCCEEDED", "DeadlineError", "SUCCEEDED"]


def test_a_kind_of_fault_that_never_happens_fails_the_campaign() -> None:
    fault = Fault("postgres build ended", "build/cases", "terminated after")
    outcomes = [Outcome(replace(QUIET, faults=(fault,))) for _ in range(20)]
    assert kinds_never_injected(outcomes) == [fault.kind]
    outcomes[3].injected[fault.kind] += 1
    assert kinds_never_injected(outcomes) == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_passes_every_place_at_which_a_fault_is_planned(server: PostgresServer, strategy: str) -> None:
    quiet = replace(QUIET, strategy=strategy, first_strategy=strategy, segments=2)
    drawn = [schedule for seed in range(6000) if (schedule := draw_schedule(seed)).strategy == strategy]
    planned = {fault.place for schedule in drawn if schedule.segments <= quiet.segments for fault in schedule.faults}
    passed = {"overlap"}
    for schedule in (quiet, replace(quiet, part_bytes=200, rows=40, copiers=2)):  # whole objects, and in parts
        outcome = run_round(schedule, server)
        assert outcome.problems == []
        passed |= outcome.passed
    assert planned - passed == set()


def test_the_same_seed_draws_the_same_schedule_and_another_one_another() -> None:
    assert draw_schedule(7) == draw_schedule(7)
    assert len({str(draw_schedule(seed)) for seed in range(50)}) == 50


def test_every_strategy_is_drawn_about_as_often() -> None:
    drawn = Counter(draw_schedule(seed).strategy for seed in range(300))
    assert drawn.keys() == STRATEGIES.keys()
    assert min(drawn.values()) > 70


def test_every_kind_is_drawn() -> None:
    drawn = {fault.kind for seed in range(len(KINDS)) for fault in draw_schedule(seed).faults}
    assert drawn == set(KINDS)


def test_every_way_of_reading_object_of_others_and_default_is_drawn() -> None:
    schedules = [draw_schedule(seed) for seed in range(1000)]
    assert {schedule.reader for schedule in schedules} == set(WAYS)
    assert {name for schedule in schedules for name in schedule.others} == OTHERS.keys()
    assert {default.name for schedule in schedules for default in schedule.defaults} == WORST.keys()


_HELD = LockTimeoutError("warehouse.cases: other sessions held locks during all 2 attempts")


@pytest.mark.parametrize(
    ("errors", "answer"),
    [
        ([_HELD], "undone"),
        ([_HELD, RollbackError("nothing to roll back")], "RollbackError: nothing to roll back"),
        ([LockTimeoutError("another load is running")], "LockTimeoutError: another load is running"),
        ([_HELD] * 100, f"LockTimeoutError: {_HELD}"),
    ],
)
def test_a_rollback_that_readers_hold_up_is_called_again(errors: list[PipelineError], answer: str) -> None:
    calls = iter(errors)

    def handler(_: object, __: object) -> dict[str, Any]:
        for error in calls:
            raise error
        return {"run": "undone"}

    assert roll_back(handler) == answer
