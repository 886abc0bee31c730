"""RedriveExecution, which ministack does not have: the same execution continues where it failed."""

import contextvars
import json
import threading
from contextvars import ContextVar
from typing import Any

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import eventbridge
from ministack.services import stepfunctions as sf

from local.emulator.frames import Frame, current
from local.emulator.patching import Function, replaces

_REDRIVABLE = ("FAILED", "ABORTED", "TIMED_OUT")
_machine: ContextVar[dict[str, Any]] = ContextVar("machine")  # of the execution that this thread runs


class _StateMachines(AccountRegionScopedDict):  # type: ignore[misc]
    """AWS: an execution keeps the definition that it started with, even if its state machine is updated."""

    __slots__ = ()

    def get(self, arn: str, default: Any = None) -> Any:
        machine = _machine.get(None)
        return machine if machine and machine["stateMachineArn"] == arn else super().get(arn, default)


sf._state_machines = _StateMachines()


@replaces(sf, "_run_execution")
def _run_execution(original: Function, arn: str) -> None:
    """Give every attempt at an execution its own root, so that the rest of an earlier attempt stays stopped."""
    execution = sf._executions[arn]
    # AWS: an update of the state machine changes neither definition nor role of started executions, redrives included.
    _machine.set(execution.setdefault("_machine", dict(sf._state_machines[execution["stateMachineArn"]])))
    execution["_root"] = root = Frame(replays=execution.get("redriveCount", 0) > 0)
    root.last_event = len(execution["events"])
    current.set(root)
    original(arn)


@replaces(sf, "_fail_execution")
def _fail_execution(original: Function, execution: Any, error: str, cause: str) -> None:
    """AWS: a stopped execution is ABORTED, whatever its states still report."""
    if not current.get().is_stopped():
        original(execution, error, cause)


@replaces(sf, "_stop_execution")
def _stop_execution(original: Function, request: Any) -> Any:
    """AWS: StopExecution aborts the running states."""
    response = original(request)
    execution = sf._executions.get(request.get("executionArn"), {})
    if execution.get("status") == "ABORTED" and "_root" in execution:
        execution["_root"].stop()
    return response


@replaces(sf, "_describe_execution")
def _describe_execution(original: Function, request: Any) -> Any:
    """AWS: DescribeExecution returns the number of redrives, and whether an execution can be redriven or why not."""
    status, headers, body = original(request)
    execution = sf._executions.get(request.get("executionArn"))
    if execution is None:
        return status, headers, body
    described = json.loads(body) | _redrives(execution)
    if "redriveDate" in execution:
        described["redriveDate"] = execution["redriveDate"]
    return sf.json_response(described)


@replaces(eventbridge, "_put_events")
def _put_events(original: Function, request: Any, **named: Any) -> Any:
    """AWS: an event about an execution contains the same fields about redrives as DescribeExecution."""
    for entry in request["Entries"]:
        if entry.get("Source") == "aws.states":
            detail = json.loads(entry["Detail"])
            entry["Detail"] = json.dumps(detail | _redrives(sf._executions[detail["executionArn"]]))
    return original(request, **named)


def _redrives(execution: Any) -> dict[str, Any]:
    """How often an execution was redriven, and whether it can be, or why not."""
    found = {"redriveCount": execution.get("redriveCount", 0)}
    if obstacle := _obstacle(execution):
        return {**found, "redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": obstacle}
    return {**found, "redriveStatus": "REDRIVABLE"}


@replaces(sf, "handle_request")
async def _handle_request(original: Function, *request: Any) -> Any:
    """AWS: the API supports RedriveExecution."""
    _method, _path, headers, body, _query = request
    if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
        return sf._finalize_response(_redrive(json.loads(body)))
    return await original(*request)


def _redrive(request: Any) -> Any:
    arn = request.get("executionArn")
    execution = sf._executions.get(arn)
    if execution is None:
        return sf.error_response_json("ExecutionDoesNotExist", f"Execution {arn} not found", 400)
    if obstacle := _obstacle(execution):
        return sf.error_response_json("ExecutionNotRedrivable", obstacle, 400)
    now = sf.now_iso()
    count = execution.get("redriveCount", 0) + 1
    execution.update(status="RUNNING", stopDate=None, output=None, error=None, cause=None)
    execution.update(redriveCount=count, redriveDate=now)
    sf._add_event(execution, "ExecutionRedriven", {"executionRedrivenEventDetails": {"redriveCount": count}})
    sf._emit_execution_status_event(execution)
    threading.Thread(target=contextvars.copy_context().run, args=(sf._run_execution, arn), daemon=True).start()
    return sf.json_response({"redriveDate": now})


def _obstacle(execution: Any) -> str:
    """Return the message of AWS if an execution cannot be redriven; empty if it can."""
    if execution["stateMachineArn"] not in sf._state_machines:
        return "State machine is in DELETING status."
    if execution["status"] not in _REDRIVABLE:
        return f"Execution is {execution['status']} and cannot be redriven."
    return ""
