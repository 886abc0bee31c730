"""The real state machine in one process: moto interprets it, `jsonata` evaluates it, handlers are plain functions.

    with Machine({"ScanSegment": scan, "TransformCases": transform, ...}) as machine:
        run = machine.start({"dryRun": True})
        run = machine.redrive(run)

What moto 5.2.5 lacks is added here, so that the definition need not bend to it: an evaluator for JSONata, the start
time in AWS's format, which iteration a state is in, Lambda functions that are Python callables, and redrive. Retries
are noted and do not sleep.
"""

import copy
import datetime as dt
import functools
import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self
from unittest import mock

import boto3
import jsonata
from jsonata.utils import Utils
from moto import mock_aws
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda import (
    StateTaskServiceLambda,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.parser.utils import TMP_THREADS

REGION, ACCOUNT = "eu-west-1", "123456789012"
DEFINITION = Path(__file__).parents[2] / "statemachine" / "demand_pipeline.asl.json"
FUNCTIONS = (
    "ScanSegment",
    "TransformCases",
    "TransformMetadata",
    "TransformTemplates",
    "TransformAudit",
    "LoadWarehouse",
)
SOURCES = ("Documents", "Metadata", "Templates", "Audit")
# What the template puts into the definition, with the defaults of its parameters.
SUBSTITUTIONS: dict[str, Any] = {
    **{f"{name}Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" for name in FUNCTIONS},
    **{f"{name}TableArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name.lower()}" for name in SOURCES},
    "SegmentBytes": 2 * 2**30,
    "MinSegments": 1,
    "MaxSegments": 40,
    "ChunkBytes": 256 * 2**20,
    "MaxReadUnitsPerSecond": 0,
    "MaxRejectPercent": 1,
    "MaxShrinkPercent": 100,
}

type Handler = Callable[[dict[str, Any], Any], Any]


def definition(**settings: Any) -> dict[str, Any]:
    """Return the deployed definition, with `settings` in place of the template's defaults."""
    text = DEFINITION.read_text()
    for name, value in (SUBSTITUTIONS | settings).items():
        text = text.replace(f"${{{name}}}", str(value))
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@dataclass(frozen=True)
class Task:
    """One attempt of a Task state. `function` is None where the state calls AWS itself."""

    state: str
    index: int | None
    function: str | None
    arguments: dict[str, Any]

    @property
    def event(self) -> dict[str, Any]:
        """What the function is given."""
        event: dict[str, Any] = self.arguments["Payload"]
        return event


class TaskFailed(Exception):  # noqa: N818 - it is how a test says what AWS would
    """Makes a Task fail with any error name, raised from `around` (Lambda.TooManyRequestsException, ...)."""

    def __init__(self, error: str, cause: str = "made to fail") -> None:
        super().__init__(error, cause)
        self.error, self.cause = error, cause


@dataclass(frozen=True)
class Run:
    """An execution that has ended."""

    arn: str
    status: str
    output: Any
    error: str | None
    cause: str | None


class Context:
    """What a handler is told of its invocation."""

    function_version, memory_limit_in_mb, log_stream_name = "$LATEST", 512, "local"

    def __init__(self, name: str, seconds: float = 900.0) -> None:
        self.function_name = name
        self.invoked_function_arn = SUBSTITUTIONS[f"{name}Arn"]
        self.aws_request_id = f"{time.monotonic_ns():032x}"
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left until the function's timeout."""
        return int(max(0.0, self._end - time.monotonic()) * 1000)


class Machine(ExitStack):
    """The state machine, its functions, and what happened.

    `around(task, proceed)` stands around every attempt of every Task: it may look on, fail before or after
    `proceed()` did the work, wait, or answer in its place. That is the seam for injecting faults.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        around: Callable[[Task, Callable[[], Any]], Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.handlers = handlers
        self.around = around or (lambda _task, proceed: proceed())
        self.definition = definition(**settings)
        self.tasks: list[Task] = []  # attempts, in the order they began
        self.pauses: list[float] = []  # seconds that retries would have waited
        self._done: dict[str, Any] = {}  # results of Tasks that succeeded
        self._replay: dict[str, Any] = {}  # the same, as they were at the redrive

    def __enter__(self) -> Self:
        """Patch moto, and create the state machine in it."""
        super().__enter__()
        self.enter_context(mock_aws(config={"stepfunctions": {"execute_state_machine": True}}))
        machine = self

        def run_task(state: Any, env: Any, normalised_parameters: dict[str, Any], **rest: Any) -> None:
            machine._run_task(state, env, normalised_parameters, rest)

        originals = {kind: kind._eval_service_task for kind in (StateTaskServiceLambda, StateTaskServiceAwsSdk)}
        self._call_aws = originals[StateTaskServiceAwsSdk]
        for kind in originals:
            self.enter_context(mock.patch.object(kind, "_eval_service_task", run_task))
        self.enter_context(mock.patch.object(StringJSONata, "_eval_body", _evaluate))
        self.enter_context(mock.patch.object(Environment, "as_inner_frame_of", classmethod(_keeping_map)))
        self.enter_context(mock.patch.object(AmazonStateLanguageParser, "parse", _parse))
        # moto takes an error that ends an iteration or a branch for a function's own, and stumbles over States.…
        for module in (iteration_worker, branches_decl):
            self.enter_context(mock.patch.object(module, "CustomErrorName", ErrorName))
        # moto logs every failure, with the whole definition.
        log = logging.getLogger("moto.stepfunctions")
        self.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)
        self.enter_context(mock.patch.object(retrier_decl, "time", SimpleNamespace(sleep=self.pauses.append)))
        self._client = boto3.client("stepfunctions", region_name=REGION)
        self._arn = self._client.create_state_machine(
            name=f"machine-{time.monotonic_ns()}",
            definition=json.dumps(self.definition),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine",
        )["stateMachineArn"]
        self.callback(_join_threads)
        return self

    def start(self, data: Any, name: str | None = None) -> Run:
        """Run the machine with `data` as its input, to the end."""
        arn = self._client.start_execution(
            stateMachineArn=self._arn,
            input=json.dumps(data),
            name=name or f"run-{time.monotonic_ns()}",
        )["executionArn"]
        return self._wait(arn)

    def redrive(self, run: Run) -> Run:
        """Run a failed execution on: what succeeded is not called again (moto has no RedriveExecution)."""
        machines: Any = stepfunctions_parser_backends[ACCOUNT][REGION].state_machines
        execution = next(e for machine in machines for e in machine.executions if e.exec_arn == run.arn)
        if execution.status == "SUCCEEDED":
            raise ValueError(f"{run.arn} succeeded: there is nothing to redrive")
        self._replay = dict(self._done)
        execution.exec_worker = execution.error = execution.cause = execution.output = execution.stop_date = None
        execution.start()
        return self._wait(run.arn)

    def history(self, run: Run) -> list[Any]:
        """Return the events of an execution."""
        pages = self._client.get_paginator("get_execution_history").paginate(executionArn=run.arn)
        return [event for page in pages for event in page["events"]]

    def events(self, function: str) -> list[dict[str, Any]]:
        """Return what a function was called with, attempt by attempt."""
        return [task.event for task in self.tasks if task.function == function]

    def _wait(self, arn: str, seconds: float = 60) -> Run:
        end = time.monotonic() + seconds
        while (found := self._client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            if time.monotonic() > end:
                raise TimeoutError(f"{arn} still runs after {seconds} s")
            time.sleep(0.01)
        output = json.loads(found["output"]) if "output" in found else None
        return Run(arn, found["status"], output, found.get("error"), found.get("cause"))

    def _run_task(self, state: Any, env: Any, arguments: dict[str, Any], rest: dict[str, Any]) -> None:
        context = env.states.context_object.context_object_data
        function = None
        if isinstance(state, StateTaskServiceLambda):
            arguments = arguments | {"Payload": json.loads(arguments["Payload"])}
            function = arguments["FunctionName"].rpartition(":")[2]
        index = ((context.get("Map") or {}).get("Item") or {}).get("Index")
        task = Task(state.name, index, function, arguments)
        key = json.dumps([context["Execution"]["Id"], task.state, task.index, task.arguments], default=str)
        if key in self._replay:
            env.stack.append(copy.deepcopy(self._replay[key]))
            return
        self.tasks.append(task)

        def proceed() -> Any:
            if function is not None:
                return self._invoke(task)
            self._call_aws(state, env=env, normalised_parameters=arguments, **rest)
            return env.stack.pop()

        try:
            result = self.around(task, proceed)
        except TaskFailed as failure:
            raise _failure(env, HistoryEventType.TaskFailed, failure.error, failure.cause) from None
        if function is not None:
            result = {"ExecutedVersion": "$LATEST", "StatusCode": 200, "Payload": result}
        env.stack.append(result)
        if env.is_running():  # an aborted branch's late result counts for nothing
            self._done[key] = copy.deepcopy(result)

    def _invoke(self, task: Task) -> Any:
        """Call the handler as Lambda does: JSON in, JSON out, an exception's class is the error's name."""
        assert task.function is not None
        try:
            answer = self.handlers[task.function](copy.deepcopy(task.event), Context(task.function))
            return json.loads(json.dumps(answer))
        except TaskFailed:
            raise
        except Exception as error:
            trace = traceback.format_tb(error.__traceback__)
            body = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": trace}
            raise TaskFailed(type(error).__name__, json.dumps(body)) from error


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
        result = jsonata.Jsonata(expression.expression).evaluate(None, bindings)
        if result is None and not jsonata.Jsonata(f"$exists(({expression.expression}))").evaluate(None, bindings):
            raise ValueError(f"the expression gave nothing: {expression.expression}")  # noqa: TRY301
    except Exception as error:
        raise _failure(env, HistoryEventType.EvaluationFailed, "States.QueryEvaluationError", str(error)) from error
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
        TMP_THREADS.pop().join(max(0.0, end - time.monotonic()))


def _failure(env: Any, event: HistoryEventType, error: str, cause: str) -> FailureEventException:
    """What moto's Retry, Catch and history take for an error named `error`."""
    kind = "taskFailedEventDetails" if event is HistoryEventType.TaskFailed else "evaluationFailedEventDetails"
    details: Any = {kind: {"error": error, "cause": cause, "resource": "", "resourceType": ""}}
    return FailureEventException(FailureEvent(env, ErrorName(error), event, details))


def _timestamp(value: dt.datetime) -> str:
    """2026-11-23T05:49:46.123Z, as AWS writes it."""
    return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
