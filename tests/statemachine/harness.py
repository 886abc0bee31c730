"""The real state machine in one process: moto interprets it, `jsonata` evaluates it, handlers are plain functions.

    with Machine({"ScanSegment": scan, "TransformCases": transform, ...}) as machine:
        run = machine.start({"dryRun": True})
        run = machine.redrive(run)

Retries do not sleep: their pauses are written down. `interpreter.py` has what moto lacks.
"""

import copy
import json
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import boto3
from moto import mock_aws
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from tests.statemachine.interpreter import failure, is_lambda, patched
from tests.support.aws import REGION
from tests.support.functions import OF_A_RUN, Context, Handler

ACCOUNT = "123456789012"
DEFINITION = Path(__file__).parents[2] / "statemachine" / "demand_pipeline.asl.json"
REPAIR = DEFINITION.with_name("repair.asl.json")
# What the template puts into the definition, with the defaults of its parameters.
SUBSTITUTIONS: dict[str, Any] = {
    "Partition": "aws",
    **{f"{name}Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" for name in OF_A_RUN},
    **{
        f"{camel_case(table.source)}TableArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table.source}"
        for table in TABLES.values()
    },
    "SegmentBytes": 2 * 2**30,
    "MinSegments": 1,
    "MaxSegments": 40,
    "MaxFunctionsPerTable": 40,
    "ChunkBytes": 256 * 2**20,
    "MaxReadUnitsPerSecond": 0,
    "LoadStrategy": "truncate",
    "KeepPrevious": "true",
    "LoadConcurrency": 4,
    "ParallelCopyBytes": 256 * 2**20,
    "MaxRejectPercent": 1,
    "MaxShrinkPercent": 100,
}
REPAIR_SUBSTITUTIONS: dict[str, Any] = {
    "Partition": "aws",
    "Region": REGION,
    "AlarmTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms",
    "Console": "https://console.example.com/#/",
    "DemandPipelineArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:pipeline",
    "RunbookUrl": "docs/runbook.md",
    "SelfRepairMinutes": 10,
}


def definition(file: Path = DEFINITION, **settings: Any) -> dict[str, Any]:
    """Return a deployed definition, with `settings` in place of the template's defaults."""
    text = file.read_text()
    for name, value in ((SUBSTITUTIONS if file == DEFINITION else REPAIR_SUBSTITUTIONS) | settings).items():
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
        """The function's event."""
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


class Machine(ExitStack):
    """The state machine, its functions, and what happened.

    `around(task, proceed)` stands around every attempt of every Task: it may look on, fail before or after
    `proceed()` did the work, wait, or answer in its place. That is the seam for injecting faults.
    """

    file = DEFINITION

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
        self.definition = definition(self.file, **settings)
        self.tasks: list[Task] = []  # attempts, in the order they began
        self.pauses: list[float] = []  # seconds that retries and Waits would have waited
        self._done: dict[str, Any] = {}  # results of Tasks that succeeded
        self._replay: dict[str, Any] = {}  # the same, as they were at the redrive

    def __enter__(self) -> Self:
        """Patch moto, and create the state machine in it."""
        super().__enter__()
        self.enter_context(mock_aws(config={"stepfunctions": {"execute_state_machine": True}}))
        self.enter_context(patched(self._run_task, self.pauses.append))
        self._client = boto3.client("stepfunctions", region_name=REGION)
        self.arn = self._client.create_state_machine(
            name=f"machine-{time.monotonic_ns()}",
            definition=json.dumps(self.definition),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine",
        )["stateMachineArn"]
        return self

    def start(self, data: Any, name: str | None = None) -> Run:
        """Run the machine with `data` as its input, to the end."""
        arn = self._client.start_execution(
            stateMachineArn=self.arn,
            input=json.dumps(data),
            name=name or f"run-{time.monotonic_ns()}",
        )["executionArn"]
        return self._wait(arn)

    def update(self, **settings: Any) -> None:
        """Deploy the definition with other settings: runs that have started keep theirs."""
        text = json.dumps(definition(self.file, **settings))
        self._client.update_state_machine(stateMachineArn=self.arn, definition=text)

    def redrive(self, run: Run | str) -> Run:
        """Run a failed execution on: what succeeded is not called again (moto has no RedriveExecution)."""
        machines: Any = stepfunctions_parser_backends[ACCOUNT][REGION].state_machines
        arn = run if isinstance(run, str) else run.arn
        execution = next(e for machine in machines for e in machine.executions if e.exec_arn == arn)
        if execution.status == "SUCCEEDED":
            raise ValueError(f"{arn} succeeded: there is nothing to redrive")
        self._replay = dict(self._done)
        execution.exec_worker = execution.error = execution.cause = execution.output = execution.stop_date = None
        execution.start()
        return self._wait(arn)

    def history(self, run: Run) -> list[Any]:
        """Return the events of an execution."""
        pages = self._client.get_paginator("get_execution_history").paginate(executionArn=run.arn)
        return [event for page in pages for event in page["events"]]

    def events(self, function: str) -> list[dict[str, Any]]:
        """Return what a function was called with, attempt by attempt."""
        return [task.event for task in self.tasks if task.function == function]

    def _wait(self, arn: str, seconds: float = 120) -> Run:
        end = time.monotonic() + seconds
        while (found := self._client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            if time.monotonic() > end:
                raise TimeoutError(f"{arn} still runs after {seconds} s")
            time.sleep(0.01)
        output = json.loads(found["output"]) if "output" in found else None
        return Run(arn, found["status"], output, found.get("error"), found.get("cause"))

    def _run_task(self, state: Any, env: Any, arguments: dict[str, Any], call_aws: Callable[[], Any]) -> Any:
        context = env.states.context_object.context_object_data
        function = None
        if is_lambda(state):
            arguments = arguments | {"Payload": json.loads(arguments["Payload"])}
            function = arguments["FunctionName"].rpartition(":")[2]
        index = ((context.get("Map") or {}).get("Item") or {}).get("Index")
        task = Task(state.name, index, function, arguments)
        key = json.dumps([context["Execution"]["Id"], task.state, task.index, task.arguments], default=str)
        if key in self._replay:
            return copy.deepcopy(self._replay[key])
        self._done.pop(key, None)  # an earlier round of a loop: a redrive starts with the one that fails
        self.tasks.append(task)
        try:
            result = self.around(task, (lambda: self._invoke(task)) if function else call_aws)
        except TaskFailed as failed:
            raise failure(env, failed.error, failed.cause) from None
        if function:
            result = {"ExecutedVersion": "$LATEST", "StatusCode": 200, "Payload": result}
        if env.is_running():  # an aborted branch's late result counts for nothing
            self._done[key] = copy.deepcopy(result)
        return result

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
