"""A round of the campaign: run, inject faults, redrive, and check everything."""

import itertools
import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import Queue
from typing import Any

import pg8000.native

from campaigns.faults import checker, others, swap
from campaigns.faults.checker import History, Ran
from campaigns.faults.environment import Environment
from campaigns.faults.faults import LOST
from campaigns.faults.overlaps import OVERLAPS
from campaigns.faults.reader import RUNS, Reader, client, read
from campaigns.faults.schedule import Schedule, draw_schedule
from campaigns.faults.source import expected
from demand_pipeline.builders import TABLES
from local.postgres import PostgresServer
from tests.statemachine.harness import Run

# Errors with which a redrive fails again.
_FINAL = ("StaleRunError", "RunRolledBackError")
# Errors of an operator's action while servers restart, passwords change, and others hold locks.
_FROM_FAULTS = {"TransientError", "DatabaseConnectionError", "DatabaseAuthenticationError", "LockTimeoutError"}


# Makes the ledgers look as if all runs had ended long ago.
_ABANDON = """
    DO $$ DECLARE ledger regclass; BEGIN
        FOR ledger IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relname ~ '^pipeline_ledger_' LOOP
            EXECUTE format('UPDATE %s SET touched_at = touched_at - make_interval(days => 1)', ledger);
        END LOOP;
    END $$
"""


@dataclass
class Outcome:
    """The outcome of a round, which has passed if there are no problems."""

    schedule: Schedule
    problems: list[str] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    endings: list[str] = field(default_factory=list)  # the ends of each run: errors, and finally SUCCEEDED
    reads: int = 0
    snapshots: int = 0
    passed: frozenset[str] = frozenset()  # places at which a fault could have been injected
    seconds: float = 0.0


def run_round(schedule: Schedule, server: PostgresServer) -> Outcome:
    """Run a schedule on a server; an exception becomes a problem of the outcome."""
    outcome, start = Outcome(schedule), time.monotonic()
    try:
        with Environment(schedule, server) as environment:
            Round(environment, outcome).play()
    except Exception as error:  # noqa: BLE001 - whatever it is, the round has failed
        outcome.problems.append("".join(traceback.format_exception(error))[-3000:])
    outcome.seconds = time.monotonic() - start
    return outcome


def _work(seeds: "Queue[int | None]", outcomes: "Queue[Outcome]") -> None:
    with PostgresServer.temporary() as server:
        while (seed := seeds.get()) is not None:
            outcomes.put(run_round(draw_schedule(seed), server))


def rounds(first: int, count: int, workers: int, strategy: str | None = None) -> Iterator[Outcome]:
    """Run `count` rounds from the seed `first` on, optionally of one strategy only; yield them as they end."""
    drawn = (seed for seed in itertools.count(first) if strategy in (None, draw_schedule(seed).strategy))
    context = multiprocessing.get_context("spawn")
    seeds, outcomes = context.Queue(), context.Queue()
    for seed in [*itertools.islice(drawn, count), *[None] * workers]:
        seeds.put(seed)
    processes = [context.Process(target=_work, args=(seeds, outcomes)) for _ in range(min(workers, count))]
    for process in processes:
        process.start()
    for _ in range(count):
        yield outcomes.get()
    for process in processes:
        process.join()


class Round:
    """The runs of a round; `overlaps` contains the concurrent ones."""

    def __init__(self, environment: Environment, outcome: Outcome) -> None:
        self.environment, self.outcome, self.schedule = environment, outcome, environment.schedule
        self.ran: dict[str, Ran] = {}
        self.runs: list[Run] = []
        self.shape: set[str] = set()  # before the runs with faults
        self.rollback = ""  # the run that was rolled back, or why none was

    def play(self) -> None:
        """Run without faults, then run the schedule, then check everything."""
        self.begin("base", {}, self.schedule.first_strategy)
        self.expect_success(self.start("base"))
        self.environment.change_by_hand()
        self.environment.machine.update(**self.environment.settings)
        if others.VIEW_OF_PREVIOUS in self.schedule.others:
            self._run_undisturbed("second")  # the first run replaced no rows
        with client(self.environment.server) as connection:
            others.create(connection, self.schedule.others, self.environment.server.database)
        with client(self.environment.server) as connection:
            self.shape = checker.shape(connection) | others.definitions(connection)
        with Reader(self.environment.server, self.schedule.reader) as reader:
            overlap = self.schedule.overlap
            if overlap:
                OVERLAPS[overlap.kind](self, overlap.variant)
            else:
                self._plain()
            self.environment.injector.armed = False
            self.environment.tasks.finish()
            self.environment.heal()
        self._leave_nothing()
        self._check(reader)

    def _run_undisturbed(self, name: str) -> None:
        self.begin(name, {})
        self.expect_success(self.start(name))

    def _leave_nothing(self) -> None:
        """Check that a table that cannot be dropped fails no later run, and that a later run drops it once it can."""
        with client(self.environment.server) as connection:
            self._check_others(connection)
            in_the_way = [other for name in self.schedule.others if (other := others.OTHERS[name]).is_in_the_way]
            if in_the_way:
                connection.run(_ABANDON)
                self._run_undisturbed("later")
            for other in in_the_way:
                connection.run(other.removal)
            if in_the_way or (self.environment.injector.injected and checker.shadows(connection)):
                connection.run(_ABANDON)
                self._run_undisturbed("last")

    def _check_others(self, connection: pg8000.native.Connection) -> None:
        changed = sorted(self.shape ^ (checker.shape(connection) | others.definitions(connection)))
        self.outcome.problems += [f"a table's shape has changed: {what}" for what in changed]
        self.outcome.problems += others.check(connection, self.schedule.others)

    def _plain(self) -> None:
        self.begin("main", self.input())
        self.environment.injector.armed = True
        if self.drive(self.start("main")).status != "SUCCEEDED":
            self.environment.injector.armed = False
            self._run_undisturbed("again")

    def name(self, name: str) -> str:
        """Return a run's name in this round."""
        return f"{name}-{self.schedule.seed}"

    def input(self) -> dict[str, Any]:
        """Return the input of most runs."""
        return {"tables": list(self.schedule.tables), "saveCsv": self.schedule.save_csv}

    def begin(self, name: str, data: dict[str, Any], strategy: str | None = None) -> None:
        """Fill the sources, and record the expected rows after a run."""
        items = self.environment.fill()
        tables = data.get("tables", list(TABLES))
        rows = {table: expected(TABLES[table], items[table]) for table in tables}
        self.ran[self.name(name)] = Ran(rows, strategy or self.schedule.strategy)
        self._data = data | {"maxRejectPercent": 100}
        time.sleep(0.002)  # so that no two runs start within one millisecond

    def start(self, name: str) -> Run:
        """Start the run, and wait for its first end."""
        return self.environment.machine.start(self._data, self.name(name))

    def drive(self, run: Run) -> Run:
        """Redrive until the run succeeds or is correctly refused."""
        for redrives in range(self.schedule.redrives + 1):
            if redrives:
                self.environment.heal()
                run = self.environment.machine.redrive(run)
            self.outcome.endings.append(run.error or run.status)
            self.runs.append(run)
            if run.status == "SUCCEEDED" or not self._may_fail(run) or run.error in _FINAL:
                return run
            if run.error in LOST and redrives:  # once more, to see that it fails again
                return run
        self.outcome.problems.append(f"{run.arn} does not succeed: {self.outcome.endings}")
        return run

    def _may_fail(self, run: Run) -> bool:
        allowed = self.environment.injector.allowed() | ({"StaleRunError"} if self._is_stale(run) else set())
        pid = self.environment.database.in_the_way
        if run.error == "LockTimeoutError" and pid and f" {pid}" not in str(run.cause):
            self.outcome.problems.append(f"LockTimeoutError does not name the process {pid}: {run.cause}")
        if (run.error or "") in allowed:
            return True
        self.outcome.problems.append(f"ended with {run.status} {run.error}: {str(run.cause)[:600]}")
        return False

    def _is_stale(self, run: Run) -> bool:
        overlap = self.schedule.overlap
        name = run.arn.rpartition(":")[2]
        newer = {self.name("older"): self.name("newer"), self.name("old"): self.name("new")}.get(name)
        with client(self.environment.server) as connection:
            return overlap is not None and [newer] in connection.run(RUNS)

    def expect_success(self, run: Run) -> None:
        """Record a run without faults, which must succeed."""
        self.runs.append(run)
        self.outcome.endings.append(run.error or run.status)
        if run.status != "SUCCEEDED":
            raise RuntimeError(f"a run without faults ended with {run.status} {run.error}: {str(run.cause)[:600]}")

    def _check(self, reader: Reader) -> None:
        outcome, environment, schedule = self.outcome, self.environment, self.schedule
        with client(environment.server) as connection:
            final, history = read(connection), History.read(connection, self.ran)
            outcome.problems += checker.check_control(connection, history, self.ran)
            end = time.monotonic() + 10
            while (left := checker.leftovers(connection) + checker.shadows(connection)) and time.monotonic() < end:
                time.sleep(0.05)
        outcome.problems += [f"left behind: {what}" for what in left]
        for snapshot in {final, *reader.seen, *environment.database.seen}:
            outcome.problems += checker.check_snapshot(snapshot, history, schedule.strategy)
        swaps = schedule.strategy == "swap"
        outcome.problems += swap.check_previous(environment.server, history, kept=swaps and schedule.keep_previous)
        if swaps:
            outcome.problems += swap.check_partitions(environment.server, schedule.tables)
        outcome.problems += environment.database.problems + self._misreported(history)
        forced = schedule.overlap and schedule.overlap.variant == "forced"
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
        outcome.passed = frozenset(environment.injector.passed)

    def _misreported(self, history: History) -> list[str]:
        """Return runs whose status contradicts `pipeline_runs`, and a rollback whose answer does."""
        (committed, _), undone = history.moments[-1], history.rolled_back
        ended = {run.arn.rpartition(":")[2]: run for run in self.runs}
        succeeded = {name for name, run in ended.items() if run.status == "SUCCEEDED"}
        refused = {name for name, run in ended.items() if run.error == "RunRolledBackError"}
        wrong = []
        if not set(committed) <= succeeded or not (succeeded | refused) - set(committed) <= set(undone):
            wrong.append(f"succeeded: {sorted(succeeded)}, committed: {sorted(committed)}, rolled back: {undone}")
        is_done = self.rollback in self.ran
        if undone != [self.rollback] if is_done else self.rollback.partition(":")[0] not in self._rollback_errors():
            wrong.append(f"the rollback's answer was {self.rollback}, rolled back: {undone}")
        return wrong

    def _rollback_errors(self) -> set[str]:
        """Return the allowed errors of a rollback: there are no previous rows during a swap, or if none are kept."""
        if self.schedule.overlap is None or self.schedule.overlap.kind != "overlap rollback":
            return {""}
        during = self.schedule.overlap.variant == "during the swap"
        errors = _FROM_FAULTS if during or len(self.environment.injector.injected) > 1 else set()
        return errors | {"RollbackError"} if during or not self.schedule.keep_previous else errors
