"""Injects faults of Lambda and Step Functions around every attempt of every Task."""

import json
import time
from collections import defaultdict
from collections.abc import Callable
from threading import Lock
from typing import Any

from campaigns.faults import attempts
from campaigns.faults.attempts import Attempt
from campaigns.faults.faults import Fault, Injector
from campaigns.faults.schedule import SHORT
from demand_pipeline.deadline import RESERVE_SECONDS
from tests.statemachine.harness import Task, TaskFailed

type Proceed = Callable[[], Any]

# The corresponding error of a state that calls DynamoDB directly.
_OWN_CALL = {"Lambda.TooManyRequestsException": "DynamoDb.DynamoDbException"}
SHORT_SECONDS = RESERVE_SECONDS - 0.1  # no work left, but time to answer


class Tasks:
    """Wraps the Tasks of a machine (`around`), and manages the attempts that outlive their Task."""

    def __init__(self, injector: Injector, stop: Callable[[str], None]) -> None:
        self.injector = injector
        self.gates: dict[str, Callable[[Task, Proceed], Any]] = {}  # called once instead of a run's load
        self._stop = stop
        self._second: dict[str, list[Attempt]] = defaultdict(list)  # to finish after the same task's next attempt
        self._last: list[Attempt] = []  # to finish after the run
        self._during_redrive: list[Attempt] = []  # to finish while the redrive runs
        self._flying: set[int] = set()
        self._lock = Lock()

    def around(self, task: Task, proceed: Proceed) -> Any:
        """Inject a fault if one is due."""
        attempts.enter_task()
        fault = self.injector.take(f"task/{task.state}")
        with self._lock:
            self._flying.add(id(task))
        try:
            if task.state == "LoadWarehouse" and (gate := self.gates.pop(task.event["run"]["id"], None)):
                return gate(task, proceed)
            answer = proceed() if fault is None else self._inject(fault, task, proceed)
        finally:
            attempts.leave_task()
            with self._lock:
                self._flying.discard(id(task))
        for late in self._second.pop(_key(task), []):
            late.finish()
        return answer

    def finish(self) -> None:
        """Resume every attempt that is still suspended."""
        self.heal()
        for late in (*self._last, *(late for group in self._second.values() for late in group)):
            late.finish()
        self._last.clear()
        self._second.clear()

    def heal(self) -> None:
        """Wait for the attempts that a stopped run left running."""
        while self._during_redrive:
            self._during_redrive.pop().finish()

    def _inject(self, fault: Fault, task: Task, proceed: Proceed) -> Any:
        match fault.kind:
            case "lambda failed before":
                error = fault.variant
                raise TaskFailed(
                    error if task.function else _OWN_CALL.get(error, "DynamoDb.InternalServerErrorException")
                )
            case "lambda answer lost":
                proceed()
                raise TaskFailed(fault.variant)
            case "lambda out of time":
                return self._out_of_time(fault, proceed)
            case "lambda twice, first last":
                late = self._let_go(fault, proceed)
                if fault.variant.startswith("after the second"):
                    self._second[_key(task)].append(late)
                else:
                    self._last.append(late)
                raise TaskFailed("Lambda.ServiceException")
            case "states sibling failed":
                self._wait_for_siblings()
                raise TaskFailed("Lambda.Unknown")
            case "states stopped by hand":
                return self._stopped(fault, task, proceed)
        raise ValueError(fault)

    def _out_of_time(self, fault: Fault, proceed: Proceed) -> Any:
        if fault.variant == "stops itself":
            attempts.shorten(SHORT_SECONDS, looks=fault.call - 1)
            try:
                return proceed()
            finally:
                attempts.shorten(None)
        self._last.append(self._let_go(fault, proceed, dies=True))
        raise TaskFailed("Lambda.Unknown" if fault.call % 2 else "States.Timeout")

    def _let_go(self, fault: Fault, proceed: Proceed, *, dies: bool = False) -> Attempt:
        attempt = Attempt(suspend_at=fault.call, dies=dies)
        attempt.start(proceed, SHORT_SECONDS if fault.variant.endswith(SHORT) else None)
        return attempt

    def _wait_for_siblings(self) -> None:
        for _ in range(20):
            if len(self._flying) > 1:
                return
            time.sleep(0.005)

    def _stopped(self, fault: Fault, task: Task, proceed: Proceed) -> Any:
        if fault.variant != "before the work":  # a function continues when its execution is stopped
            late = self._let_go(fault, proceed)
            (self._last if fault.variant.endswith("redrive") else self._during_redrive).append(late)
        self._stop(task.event["run"]["arn"])
        return {}


def _key(task: Task) -> str:
    return json.dumps([task.state, task.index, task.arguments], sort_keys=True, default=str)
