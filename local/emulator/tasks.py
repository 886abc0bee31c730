"""Task states: abort, timeout, payload limit, and results kept for a redrive."""

import contextvars
import copy
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import ContextVar
from typing import Any

from ministack.services import stepfunctions as sf

from local.emulator.frames import Path, current
from local.emulator.patching import Function, replaces

_POLL_SECONDS = 0.05
_PAYLOAD_LIMIT = 256 * 1024  # bytes; Step Functions: maximum input or output of a task, state or execution
_DEFAULT_TIMEOUT = 99999999  # seconds; Amazon States Language: a Task without TimeoutSeconds

_task: ContextVar[tuple[dict[str, Any], Path]] = ContextVar("task")
_numbering = threading.Lock()


def current_task() -> tuple[dict[str, Any], Path]:
    """Return the execution and the name of the task that this thread works on."""
    return _task.get()


@replaces(sf, "_execute_task")
def _execute_task(original: Function, state: Any, given: Any, execution: Any, ctx: Any) -> Any:
    """AWS: a redrive keeps the results of tasks that succeeded; the history names states inside branches too."""
    frame = current.get()
    frame.check()
    name = ctx["State"]["Name"]
    task = frame.visit(name)
    kept = execution.setdefault("_kept", {})
    if task in kept:
        result = copy.deepcopy(kept[task])
        output = sf._apply_jsonata_output(state, given, ctx, result=result, default=result)
        sf._apply_state_assign(state, given, ctx, result=result)
        return output, sf._next_or_end(state)
    frame.goes_on()
    _task.set((execution, task))
    if frame.parent is not None:  # ministack itself writes the events of the outermost states
        details = {"name": name, "input": json.dumps(given)}
        sf._add_event(execution, "TaskStateEntered", {"stateEnteredEventDetails": details})
    output, after = original({"TimeoutSeconds": _DEFAULT_TIMEOUT, **state}, given, execution, ctx)
    if frame.parent is not None:
        details = {"name": name, "output": json.dumps(output)}
        sf._add_event(execution, "TaskStateExited", {"stateExitedEventDetails": details})
    return output, after


@replaces(sf, "_invoke_resource_with_timeout")
def _invoke_resource_with_timeout(_original: Function, resource: str, arguments: Any, timeout: float) -> Any:
    """AWS: a task ends when it times out or is aborted, even if its function still runs."""
    frame = current.get()
    pool = ThreadPoolExecutor(max_workers=1)
    future = pool.submit(contextvars.copy_context().run, sf._invoke_resource, resource, arguments)
    pool.shutdown(wait=False)
    deadline = time.monotonic() + timeout
    while not wait([future], _POLL_SECONDS).done:
        frame.check()
        if time.monotonic() > deadline:
            raise sf._ExecutionError("States.Timeout", f"The task did not end within {timeout} seconds")
    result = future.result()
    frame.check()
    if resource.startswith("arn:aws:states:::lambda:invoke"):
        result.setdefault("ExecutedVersion", "$LATEST")
    if len(json.dumps(result, ensure_ascii=False).encode()) > _PAYLOAD_LIMIT:
        raise sf._ExecutionError(
            "States.DataLimitExceeded",
            "The state/task returned a result with a size exceeding the maximum number of bytes service limit.",
        )
    execution, task = _task.get()
    execution["_kept"][task] = copy.deepcopy(result)
    return result


@replaces(sf, "_scaled_sleep")
def _scaled_sleep(_original: Function, seconds: float) -> None:
    """AWS: a waiting state is aborted immediately, even while it waits for a retry."""
    frame = current.get()
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        frame.check()
        time.sleep(min(left, _POLL_SECONDS))


@replaces(sf, "_find_matching_retrier")
def _find_matching_retrier(original: Function, retriers: Any, error: str, counts: Any) -> Any:
    """AWS: MaxDelaySeconds limits the pauses between retries."""
    retrier, index = original(retriers, error, counts)
    if retrier is not None and "MaxDelaySeconds" in retrier:
        pause = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** counts.get(index, 0)
        retrier = {**retrier, "IntervalSeconds": min(pause, retrier["MaxDelaySeconds"]), "BackoffRate": 1}
    return retrier, index


@replaces(sf, "_apply_jsonata_arguments")
def _apply_jsonata_arguments(original: Function, *given: Any) -> Any:
    """Keep a task's arguments for the event that follows."""
    current.get().arguments = arguments = original(*given)
    return arguments


@replaces(sf, "_add_event")
def _add_event(original: Function, execution: Any, kind: str, details: Any = None) -> Any:
    """AWS: events have different numbers; each names the previous one of its branch, and a task its arguments.

    A redrive continues the history, without the states that succeeded before.
    """
    frame = current.get(None)
    if frame is None:
        with _numbering:
            return original(execution, kind, details)
    if frame.replays and kind.endswith(("StateEntered", "StateExited")):
        return None
    if kind == "TaskScheduled":
        details["taskScheduledEventDetails"]["parameters"] = json.dumps(frame.arguments)
    with _numbering:  # ministack takes the length of the list, and branches add to it at the same time
        event = original(execution, kind, {"previousEventId": frame.last_event, **(details or {})})
    frame.last_event = event["id"]
    return event
