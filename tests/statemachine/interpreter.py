"""Patches moto 5.2.5 to run a JSONata state machine like AWS, while a machine runs."""

import datetime as dt
import functools
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import jsonata
from jsonata.utils import Utils
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import Timeout
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda import (
    StateTaskServiceLambda,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sns import (
    StateTaskServiceSns,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.utils import TMP_THREADS

# Runs a Task: its state, moto's environment, the evaluated arguments, and what moto would have done.
type RunTask = Callable[[Any, Any, dict[str, Any], Callable[[], Any]], Any]


@contextmanager
def patched(run_task: RunTask, pause: Callable[[float], None]) -> Iterator[None]:
    """Evaluate JSONata, let `run_task` run every Task, and hand the seconds of retries and Waits to `pause`: no sleep."""
    with ExitStack() as patches:

        def patch(target: Any, name: str, new: Any) -> None:
            patches.enter_context(mock.patch.object(target, name, new))

        for kind in (StateTaskServiceLambda, StateTaskServiceAwsSdk, StateTaskServiceSns):
            patch(kind, "_eval_service_task", _running(kind._eval_service_task, run_task))
        patch(StringJSONata, "_eval_body", _evaluate)
        # Once a sibling has failed or somebody has stopped the run, moto evaluates nothing more, and takes what lies on its
        # stack for a task's timeout and arguments; and an error of such a task would be the run's.
        patch(Timeout, "eval", Timeout._eval_body)
        patch(Environment, "set_error", _set_error)
        patch(Environment, "as_inner_frame_of", classmethod(_keeping_map))
        patch(AmazonStateLanguageParser, "parse", _parse)
        # moto takes an error that ends an iteration or a branch for a function's own, and stumbles over States.…
        for module in (iteration_worker, branches_decl):
            patch(module, "CustomErrorName", ErrorName)
        patch(retrier_decl, "time", SimpleNamespace(sleep=pause))
        patch(WaitFunction, "_wait_interval", lambda _state, wait_seconds, **_: pause(wait_seconds))
        # moto logs every failure, with the whole definition.
        log = logging.getLogger("moto.stepfunctions")
        patches.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)
        patches.callback(_join_threads)
        yield


def is_lambda(state: Any) -> bool:
    """Whether a Task's state calls a function."""
    return isinstance(state, StateTaskServiceLambda)


def failure(env: Any, error: str, cause: str, event: HistoryEventType = HistoryEventType.TaskFailed) -> Exception:
    """Return moto's representation of an error named `error`, for Retry, Catch and history."""
    kind = "taskFailedEventDetails" if event is HistoryEventType.TaskFailed else "evaluationFailedEventDetails"
    details: Any = {kind: {"error": error, "cause": cause, "resource": "", "resourceType": ""}}
    return FailureEventException(FailureEvent(env, ErrorName(error), event, details))


def _running(original: Any, run_task: RunTask) -> Any:
    def run(state: Any, env: Any, normalised_parameters: dict[str, Any], **rest: Any) -> None:
        def proceed() -> Any:
            original(state, env=env, normalised_parameters=normalised_parameters, **rest)
            return env.stack.pop()

        env.stack.append(run_task(state, env, normalised_parameters, proceed) if env.is_running() else None)

    return run


_set_error_of_run = Environment.set_error


def _set_error(env: Environment, error: Any) -> None:
    if env.is_running():
        _set_error_of_run(env, error)


# Reading the definition takes longer than most runs, and a program that was read keeps nothing of a run.
_parse = functools.cache(AmazonStateLanguageParser.parse)


def _evaluate(expression: Any, env: Any) -> None:
    """Evaluate `{% … %}` with values bound, not pasted into the text as moto would; undefined is an error."""
    context = json.loads(json.dumps(env.states._states_data["context"], default=_timestamp))
    states = env.states._states_data | {"context": context}
    store = env.variable_store
    variables = store._outer_scope | store._inner_scope
    bindings = {name: Utils.NULL_VALUE if value is None else value for name, value in variables.items()}
    try:
        bindings["states"] = states
        program = jsonata.Jsonata(expression.expression)
        program.register_lambda("parse", json.loads)  # AWS's own function
        result = program.evaluate(None, bindings)
        if result is None and not jsonata.Jsonata(f"$exists(({expression.expression}))").evaluate(None, bindings):
            raise ValueError(f"the expression gave nothing: {expression.expression}")  # noqa: TRY301
    except Exception as error:
        raise failure(env, "States.QueryEvaluationError", str(error), HistoryEventType.EvaluationFailed) from error
    env.stack.append(json.loads(json.dumps(result)))


_frame = Environment.as_inner_frame_of.__func__  # type: ignore[attr-defined]


def _keeping_map(cls: Any, env: Any, *args: Any, **named: Any) -> Any:
    """Let a state know the Map iteration that it runs in: moto forgets it at the first frame."""
    frame, context = _frame(cls, env, *args, **named), env.states.context_object.context_object_data
    if "Map" in context:
        frame.states.context_object.context_object_data["Map"] = context["Map"]
    return frame


def _join_threads(seconds: float = 10) -> None:
    """Wait for aborted branches: what they still do must not reach the next test."""
    end = time.monotonic() + seconds
    while TMP_THREADS:
        thread = TMP_THREADS.pop()
        thread._started.wait(max(0.0, end - time.monotonic()))  # moto lists a thread just before it starts it
        thread.join(max(0.0, end - time.monotonic()))


def _timestamp(value: dt.datetime) -> str:
    """2026-11-23T05:49:46.123Z, as AWS writes it."""
    return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
