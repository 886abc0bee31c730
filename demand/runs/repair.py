"""Redrives of a run: by people, and by the state machine that redrives failed runs automatically."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from demand.runs.execution import RUNNING, Run
from demand.stack import Stack

_MACHINE = "RepairRunArn"  # an output
_LISTED = 1000  # the latest follow-ups, of which a run has one for each of its ends
_LATE = timedelta(minutes=5)  # from the end of a run to its follow-up
_AT_ONCE = 8


@dataclass(frozen=True)
class Redrives:
    """Redrives so far, and the time of the next automatic redrive if the run waits for it."""

    automatic: int
    by_people: int
    next: datetime | None

    @property
    def sentence(self) -> str:
        """The redrives as text."""
        words = f"{self.automatic} automatic, {self.by_people} by people"
        return f"{words}; the next automatic redrive at {self.next:%Y-%m-%d %H:%M:%S} UTC" if self.next else words


def find_redrives(stack: Stack, run: Run) -> Redrives | None:
    """Return the redrives of a run; None if there were none and none is planned, or if the stack never redrives."""
    machine = stack.outputs.get(_MACHINE)
    if machine is None or not (run.redrives or run.redrivable):
        return None
    states = stack.client("stepfunctions")
    listed = states.list_executions(stateMachineArn=machine, maxResults=_LISTED)["executions"]
    end = run.stopped or datetime.now(UTC)
    arns = [each["executionArn"] for each in listed if run.started <= each["startDate"] <= end + _LATE]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = [
            each
            for each in pool.map(lambda arn: states.describe_execution(executionArn=arn), arns)
            if json.loads(each.get("input", "{}")).get("arn") == run.arn
        ]
    automatic = sum(json.loads(each.get("output", "{}")).get("redriven") is True for each in found)
    running = [each["executionArn"] for each in found if each["status"] == RUNNING]
    following = _end_of_pause(states, running[0]) if running and not run.is_running else None
    if not (run.redrives or following):
        return None
    return Redrives(automatic, max(run.redrives - automatic, 0), following)


def _end_of_pause(states: Any, arn: str) -> datetime | None:
    [last] = states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)["events"]
    if last["type"] != "WaitStateEntered":
        return None
    seconds = json.loads(last["stateEnteredEventDetails"]["input"])["seconds"]
    ends: datetime = last["timestamp"] + timedelta(seconds=seconds)
    return ends.astimezone(UTC)
