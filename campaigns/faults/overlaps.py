"""Rounds in which several runs, loads or rollbacks overlap."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from moto.stepfunctions.parser import models

from campaigns.faults import swap
from tests.statemachine.harness import Task, TaskFailed

if TYPE_CHECKING:
    from campaigns.faults.rounds import Round


def two_runs(play: "Round", order: str) -> None:
    """Start two runs whose loads are concurrent, or follow each other in either order."""
    older, newer, both = threading.Event(), threading.Event(), threading.Barrier(2)
    at_load = threading.Event()

    def older_gate(_: Task, proceed: Callable[[], Any]) -> Any:
        at_load.set()
        if order == "together":
            both.wait(30)
        elif order == "newer first":
            newer.wait(30)
        return proceed()

    def newer_gate(_: Task, proceed: Callable[[], Any]) -> Any:
        play.environment.injector.armed = True
        if order == "together":
            both.wait(30)
        elif order == "older first":
            older.wait(30)
        return proceed()

    play.environment.tasks.gates |= {play.name("older"): older_gate, play.name("newer"): newer_gate}
    with ThreadPoolExecutor(2) as pool:
        play.begin("older", {})
        first = pool.submit(play.start, "older")
        first.add_done_callback(lambda _: older.set())
        if not at_load.wait(60):
            raise TimeoutError("the older run does not reach its load")
        play.begin("newer", {})
        second = pool.submit(play.start, "newer")
        second.add_done_callback(lambda _: newer.set())
        ended = [first.result(), second.result()]
    play.outcome.injected["overlap two runs"] += 1
    for run in ended:
        play.drive(run)


def two_loads(play: "Round", order: str) -> None:
    """Run two loads of one run, which must return the same result."""

    def gate(_: Task, proceed: Callable[[], Any]) -> Any:
        play.outcome.injected["overlap two loads"] += 1
        if order != "together":
            answers = [_load(proceed), _load(proceed)]
        else:
            with ThreadPoolExecutor(2) as pool:
                answers = [load.result() for load in [pool.submit(_load, proceed), pool.submit(_load, proceed)]]
        play.environment.injector.armed = True
        if answers[0] != answers[1]:
            play.outcome.problems.append(f"two loads of one run: {answers[0]} and {answers[1]}")
        return answers[0]

    play.environment.tasks.gates[play.name("twice")] = gate
    play.begin("twice", play.input())
    play.drive(play.start("twice"))


def old_run(play: "Round", how: str) -> None:
    """Redrive a run that failed three days ago after a newer one: it must be refused, unless it is forced."""

    def fail(_: Task, __: Callable[[], Any]) -> Any:
        raise TaskFailed("Lambda.Unknown")

    play.environment.tasks.gates[play.name("old")] = fail
    play.begin("old", {"force": True} if how == "forced" else {})
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    clock = SimpleNamespace(datetime=SimpleNamespace(now=past.astimezone), timezone=dt.timezone)
    with mock.patch.object(models, "datetime", clock):
        old = play.start("old")
    play.begin("new", play.input())
    play.environment.injector.armed = True
    play.drive(play.start("new"))
    play.outcome.injected["overlap old run redriven"] += 1
    play.environment.injector.injected["overlap old run redriven"] += 1
    end = play.drive(old)
    wanted = "SUCCEEDED" if how == "forced" else "StaleRunError"
    if wanted not in (end.status, end.error):
        play.outcome.problems.append(f"an old run, {how}, ended with {end.status} {end.error}")


def rollback(play: "Round", when: str) -> None:
    """Roll back the last run during another run's load, or that run itself; the next run replaces the rows again."""
    environment, name, delay = play.environment, play.name("main"), 0.03 * play.schedule.faults[0].call
    play.begin("undone", play.input())
    play.expect_success(play.start("undone"))

    def roll_back(delay: float = 0.0) -> None:
        time.sleep(delay)
        play.rollback = swap.roll_back(environment.handlers["ChangeWarehouse"])

    def gate(_: Task, proceed: Callable[[], Any]) -> Any:
        environment.injector.armed = True
        with ThreadPoolExecutor(1) as pool:  # no faults are injected into its thread
            if when == "before the swap":
                pool.submit(roll_back).result()
                return proceed()
            if when == "during the swap":
                pool.submit(roll_back, delay)
                return _load(proceed)
            try:
                _load(proceed)
            except TaskFailed:
                environment.tasks.gates[name] = gate  # not yet after the swap
                raise
            pool.submit(roll_back).result()
        raise TaskFailed("Lambda.Unknown")  # the function died before it could answer

    environment.tasks.gates[name] = gate
    play.begin("main", play.input())
    environment.injector.injected["overlap rollback"] += 1
    play.drive(play.start("main"))
    environment.injector.armed = False
    environment.tasks.finish()
    environment.heal()
    play.begin("next", play.input())
    play.expect_success(play.start("next"))


def _load(proceed: Callable[[], Any]) -> Any:
    """Call a load again while it asks for another call, as the state machine does."""
    while "again" in (answer := proceed()):
        pass
    return answer


OVERLAPS = {
    "overlap two runs": two_runs,
    "overlap two loads": two_loads,
    "overlap old run redriven": old_run,
    "overlap rollback": rollback,
}
