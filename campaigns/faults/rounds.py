"""A round of the campaign: run, inject faults, redrive, and check everything."""

import datetime as dt
import multiprocessing
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import Queue
from types import SimpleNamespace
from typing import Any
from unittest import mock

from moto.stepfunctions.parser import models

from campaigns.faults import checker
from campaigns.faults.checker import Ran
from campaigns.faults.environment import Environment
from campaigns.faults.faults import LOST
from campaigns.faults.reader import Reader
from campaigns.faults.schedule import Schedule, draw_schedule
from campaigns.faults.source import expected
from demand_pipeline.builders import TABLES
from local.postgres import PostgresServer
from tests.statemachine.harness import Run, Task, TaskFailed


@dataclass
class Outcome:
    """What came of a round; without problems it has passed."""

    schedule: Schedule
    problems: list[str] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    endings: list[str] = field(default_factory=list)  # each run's ends: errors, and at last SUCCEEDED
    reads: int = 0
    snapshots: int = 0
    seconds: float = 0.0


def run_round(schedule: Schedule, server: PostgresServer) -> Outcome:
    """Run a schedule on a server; never raises, but says what went wrong."""
    outcome, start = Outcome(schedule), time.monotonic()
    try:
        with Environment(schedule, server) as environment:
            _Round(environment, outcome).play()
    except Exception as error:  # noqa: BLE001 - whatever it is, the round has failed
        outcome.problems.append("".join(traceback.format_exception(error))[-3000:])
    outcome.seconds = time.monotonic() - start
    return outcome


def _work(seeds: "Queue[int | None]", outcomes: "Queue[Outcome]") -> None:
    with PostgresServer.temporary() as server:
        while (seed := seeds.get()) is not None:
            outcomes.put(run_round(draw_schedule(seed), server))


def rounds(first: int, count: int, workers: int) -> Iterator[Outcome]:
    """Run `count` rounds from the seed `first` on; they come as they are done."""
    context = multiprocessing.get_context("spawn")
    seeds, outcomes = context.Queue(), context.Queue()
    for seed in [*range(first, first + count), *[None] * workers]:
        seeds.put(seed)
    processes = [context.Process(target=_work, args=(seeds, outcomes)) for _ in range(min(workers, count))]
    for process in processes:
        process.start()
    for _ in range(count):
        yield outcomes.get()
    for process in processes:
        process.join()


class _Round:
    def __init__(self, environment: Environment, outcome: Outcome) -> None:
        self.environment, self.outcome, self.schedule = environment, outcome, environment.schedule
        self.ran: dict[str, Ran] = {}
        self.runs: list[Run] = []
        self.committed: list[str] = []

    def play(self) -> None:
        """A first run without faults, then what the schedule says, then the checks."""
        self._begin("base", {})
        self._expect_success(self._start("base"))
        with Reader(self.environment.server, self.schedule.reader) as reader:
            overlap = self.schedule.overlap
            scenarios: dict[str, Callable[[str], None]] = {
                "overlap two runs": self._two_runs,
                "overlap two loads": self._two_loads,
                "overlap old run redriven": self._old_run,
            }
            if overlap:
                scenarios[overlap.kind](overlap.variant)
            else:
                self._plain()
            self.environment.injector.armed = False
            self.environment.tasks.finish()
            self.environment.heal()
        self._check(reader)

    def _plain(self) -> None:
        self._begin("main", self._input())
        self.environment.injector.armed = True
        if self._drive(self._start("main")).status != "SUCCEEDED":
            self.environment.injector.armed = False
            self._begin("again", self._input())
            self._expect_success(self._start("again"))

    def _two_runs(self, order: str) -> None:
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
            self.environment.injector.armed = True
            if order == "together":
                both.wait(30)
            elif order == "older first":
                older.wait(30)
            return proceed()

        self.environment.tasks.gates |= {self._name("older"): older_gate, self._name("newer"): newer_gate}
        with ThreadPoolExecutor(2) as pool:
            self._begin("older", {})
            first = pool.submit(self._start, "older")
            first.add_done_callback(lambda _: older.set())
            if not at_load.wait(60):
                raise TimeoutError("the older run does not come to its load")
            self._begin("newer", {})
            second = pool.submit(self._start, "newer")
            second.add_done_callback(lambda _: newer.set())
            ended = [first.result(), second.result()]
        self.outcome.injected["overlap two runs"] += 1
        for run in ended:
            self._drive(run)

    def _two_loads(self, order: str) -> None:
        def gate(_: Task, proceed: Callable[[], Any]) -> Any:
            self.outcome.injected["overlap two loads"] += 1
            if order != "together":
                answers = [proceed(), proceed()]
            else:
                with ThreadPoolExecutor(2) as pool:
                    answers = [load.result() for load in [pool.submit(proceed), pool.submit(proceed)]]
            self.environment.injector.armed = True
            if answers[0] != answers[1]:
                self.outcome.problems.append(f"two loads of one run: {answers[0]} and {answers[1]}")
            return answers[0]

        self.environment.tasks.gates[self._name("twice")] = gate
        self._begin("twice", self._input())
        self._drive(self._start("twice"))

    def _old_run(self, how: str) -> None:
        def fail(_: Task, __: Callable[[], Any]) -> Any:
            raise TaskFailed("Lambda.Unknown")

        self.environment.tasks.gates[self._name("old")] = fail
        self._begin("old", {"force": True} if how == "forced" else {})
        past = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
        clock = SimpleNamespace(datetime=SimpleNamespace(now=past.astimezone), timezone=dt.timezone)
        with mock.patch.object(models, "datetime", clock):
            old = self._start("old")
        self._begin("new", self._input())
        self.environment.injector.armed = True
        self._drive(self._start("new"))
        self.outcome.injected["overlap old run redriven"] += 1
        self.environment.injector.injected["overlap old run redriven"] += 1
        end = self._drive(old)
        wanted = "SUCCEEDED" if how == "forced" else "StaleRunError"
        if wanted not in (end.status, end.error):
            self.outcome.problems.append(f"an old run, {how}, ended with {end.status} {end.error}")

    def _name(self, name: str) -> str:
        return f"{name}-{self.schedule.seed}"

    def _input(self) -> dict[str, Any]:
        return {"tables": list(self.schedule.tables), "saveCsv": self.schedule.save_csv}

    def _begin(self, name: str, data: dict[str, Any]) -> None:
        """Fill the sources, and write down what a run of them must leave behind."""
        items = self.environment.fill()
        tables = data.get("tables", list(TABLES))
        rows = {table: expected(TABLES[table], items[table]) for table in tables}
        self.ran[self._name(name)] = Ran(rows, self.schedule.strategy)
        self._data = data | {"maxRejectPercent": 100}
        time.sleep(0.002)  # so that no two runs start within one millisecond

    def _start(self, name: str) -> Run:
        return self.environment.machine.start(self._data, self._name(name))

    def _drive(self, run: Run) -> Run:
        """Redrive until the run succeeds, or is rightly refused."""
        for redrives in range(self.schedule.redrives + 1):
            if redrives:
                self.environment.heal()
                run = self.environment.machine.redrive(run)
            self.outcome.endings.append(run.error or run.status)
            self.runs.append(run)
            if run.status == "SUCCEEDED" or not self._may_fail(run) or run.error == "StaleRunError":
                return run
            if run.error in LOST and redrives:  # once more, to see that it fails again
                return run
        self.outcome.problems.append(f"{run.arn} does not succeed: {self.outcome.endings}")
        return run

    def _may_fail(self, run: Run) -> bool:
        allowed = self.environment.injector.allowed() | ({"StaleRunError"} if self._is_stale(run) else set())
        if (run.error or "") in allowed:
            return True
        self.outcome.problems.append(f"ended with {run.status} {run.error}: {str(run.cause)[-1500:]}")
        return False

    def _is_stale(self, run: Run) -> bool:
        overlap = self.schedule.overlap
        name = run.arn.rpartition(":")[2]
        newer = {self._name("older"): self._name("newer"), self._name("old"): self._name("new")}.get(name)
        with checker.client(self.environment.server) as connection:
            return overlap is not None and [newer] in connection.run(checker.RUNS)

    def _expect_success(self, run: Run) -> None:
        self.runs.append(run)
        self.outcome.endings.append(run.error or run.status)
        if run.status != "SUCCEEDED":
            raise RuntimeError(f"a run without faults ended with {run.status} {run.error}: {run.cause}")

    def _check(self, reader: Reader) -> None:
        outcome, environment = self.outcome, self.environment
        with checker.client(environment.server) as connection:
            final = checker.read(connection)
            outcome.problems += checker.check_control(connection, self.ran)
            end = time.monotonic() + 10
            while (left := checker.leftovers(connection) + checker.shadows(connection)) and time.monotonic() < end:
                time.sleep(0.05)
        outcome.problems += [f"left behind: {what}" for what in left]
        for snapshot in {final, *reader.seen}:
            outcome.problems += checker.check_snapshot(snapshot, self.ran)
        outcome.problems += self._misreported(final.runs)
        forced = self.schedule.overlap and self.schedule.overlap.variant == "forced"
        if not forced and sorted(final.runs, key=list(self.ran).index) != list(final.runs):
            outcome.problems.append(f"committed backwards: {final.runs}")
        outcome.reads, outcome.snapshots = reader.reads, len(reader.seen)
        if not reader.reads:
            outcome.problems.append("the reader read nothing")
        histories = [environment.machine.history(run) for run in {run.arn: run for run in self.runs}.values()]
        events = [task.arguments for task in environment.machine.tasks]
        leaked = environment.leaked([*map(str, self.runs), *(run.output for run in self.runs), histories, events])
        outcome.problems += [f"leaked a secret: {secret[:8]}…" for secret in leaked]
        for kind, times in environment.injector.injected.items():
            outcome.injected[kind] = max(times, outcome.injected[kind])

    def _misreported(self, committed: tuple[str, ...]) -> list[str]:
        """Runs whose end and whose row in `pipeline_runs` say different things."""
        ended = {run.arn.rpartition(":")[2]: run.status for run in self.runs}
        succeeded = {name for name, status in ended.items() if status == "SUCCEEDED"}
        return (
            [] if succeeded == set(committed) else [f"succeeded: {sorted(succeeded)}, committed: {sorted(committed)}"]
        )
