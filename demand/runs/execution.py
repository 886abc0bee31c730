"""Runs in Step Functions: finds, lists, starts and stops them."""

import json
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from demand.errors import DemandError, error_code
from demand.runs.options import pasted
from demand.stack import Stack

RUNNING, SUCCEEDED = "RUNNING", "SUCCEEDED"
_AT_ONCE = 8  # descriptions asked for at the same time
_NAMED = 5  # runs named in an error
_LOOKED_AT = 100  # latest runs that are searched for the beginning of a name
_UNKNOWN = ("ExecutionDoesNotExist", "InvalidArn", "ValidationException")


@dataclass(frozen=True)
class Run:
    """One execution of the state machine; `output` is None unless it succeeded."""

    name: str
    arn: str
    status: str
    started: datetime
    stopped: datetime | None
    input: Mapping[str, Any]
    output: Mapping[str, Any] | None
    error: str | None
    cause: str | None
    redrives: int
    redriven: datetime | None
    redrivable: bool
    redrive_refusal: str | None

    @property
    def is_running(self) -> bool:
        """Whether the run is running."""
        return self.status == RUNNING

    @property
    def committed(self) -> bool | None:
        """Whether the run's load was committed; None for a run that did not succeed, false for a dry run."""
        return None if self.output is None else bool(self.output.get("committed"))

    @property
    def tables(self) -> tuple[Mapping[str, Any], ...]:
        """The load's counts of each table, from the execution's output."""
        return tuple((self.output or {}).get("tables", ()))

    def seconds(self, now: datetime) -> float:
        """Return the run's duration, so far if it is running; the pause before a redrive counts."""
        return ((self.stopped or now) - self.started).total_seconds()


def describe(stack: Stack, arn: str) -> Run:
    """Describe a run by its ARN."""
    return _run(stack.client("stepfunctions").describe_execution(executionArn=arn))


def find_run(stack: Stack, given: str | None) -> Run:
    """Find a run by its name, the beginning of its name or its ARN; None finds the latest.

    Raises DemandError, which names the latest runs.
    """
    if given is None:
        latest = _latest(stack, 1)
        if not latest:
            raise DemandError("UnknownRun", f"no run yet of {_place(stack)}", "demand run")
        return describe(stack, latest[0]["executionArn"])
    try:
        return describe(stack, given if given.startswith("arn:") else arn_of(stack, given))
    except ClientError as error:
        if error_code(error) not in _UNKNOWN:
            raise
    listed = _latest(stack, _LOOKED_AT)
    alike = [entry for entry in listed if entry["name"].startswith(given)]
    if len(alike) == 1:
        return describe(stack, alike[0]["executionArn"])
    names = ", ".join(entry["name"] for entry in (alike or listed)[:_NAMED])
    if alike:
        raise DemandError("UnknownRun", f"several runs begin with {given!r}: {names}", "name more of it")
    there = f"the latest: {names}" if names else "it has no runs yet"
    raise DemandError("UnknownRun", f"no run {given!r} of {_place(stack)}; {there}", "demand runs")


def list_runs(stack: Stack, limit: int) -> tuple[Run, ...]:
    """Return the latest runs, newest first, with one call for the list and one per run."""
    arns = [entry["executionArn"] for entry in _latest(stack, limit)]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return tuple(pool.map(lambda arn: describe(stack, arn), arns))


def start(stack: Stack, given: Mapping[str, Any]) -> Run:
    """Start a run with this input. AWS may find it only a moment later, so it is described from the answer."""
    name = f"demand-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(2)}"
    states = stack.client("stepfunctions")
    answer = states.start_execution(stateMachineArn=stack.state_machine, name=name, input=json.dumps(given))
    started = {
        "executionArn": answer["executionArn"],
        "name": name,
        "status": RUNNING,
        "startDate": answer["startDate"],
    }
    return _run({**started, "input": json.dumps(given)})


def stop(stack: Stack, run: Run, cause: str) -> Run:
    """Stop a run; raises DemandError if it has ended."""
    if not run.is_running:
        raise DemandError(
            "NotRunning", f"run {run.name} is {run.status}: there is nothing to stop", pasted("show", run.name)
        )
    stack.client("stepfunctions").stop_execution(executionArn=run.arn, error="Stopped", cause=cause)
    return describe(stack, run.arn)


def arn_of(stack: Stack, name: str) -> str:
    """Return a run's ARN, which consists of the state machine's name and the run's."""
    *place, _kind, machine = stack.state_machine.split(":")
    return ":".join([*place, "execution", machine, name])


def _latest(stack: Stack, limit: int) -> list[Any]:
    states = stack.client("stepfunctions")
    listed: list[Any] = states.list_executions(stateMachineArn=stack.state_machine, maxResults=limit)["executions"]
    return listed


def _place(stack: Stack) -> str:
    return f"{stack.state_machine.rpartition(':')[2]} in {stack.region}"


def _run(described: Mapping[str, Any]) -> Run:
    succeeded = described["status"] == SUCCEEDED
    return Run(
        name=described["name"],
        arn=described["executionArn"],
        status=described["status"],
        started=described["startDate"],
        stopped=described.get("stopDate"),
        input=_object(described.get("input")),
        output=_object(described.get("output")) if succeeded else None,
        error=described.get("error"),
        cause=described.get("cause"),
        redrives=described.get("redriveCount", 0),
        redriven=described.get("redriveDate"),
        redrivable=described.get("redriveStatus") == "REDRIVABLE",
        redrive_refusal=described.get("redriveStatusReason"),
    )


def _object(text: str | None) -> dict[str, Any]:
    value = json.loads(text or "{}")
    return value if isinstance(value, dict) else {"input": value}
