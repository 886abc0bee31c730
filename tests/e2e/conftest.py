"""One deployed stack for all end-to-end tests, and an outside client that knows only `.local/env`."""

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest

from local import seed
from local.console import Console
from local.stack import Stack
from tests.support.waiting import wait_for

RUN_SECONDS = 120

type Client = Callable[[str], Any]
type Start = Callable[[Mapping[str, Any]], str]
type End = Callable[[str], dict[str, Any]]
type Refresh = Callable[[Mapping[str, Any]], dict[str, Any]]


# Deployed over a function: one segment fails after a while.
BROKEN = """
import time
import original

def lambda_handler(event, context):
    if event["segment"] == {segment}:
        time.sleep({seconds})
        raise type({error!r}, (Exception,), {{}})("a bug that only this segment meets")
    return original.lambda_handler(event, context)
"""


class Deploy(Protocol):
    """Deploy a function's code again; where a segment is given, with an error that only this one meets."""

    def __call__(
        self, function: str, segment: int | None = None, seconds: float = 0, error: str = "RuntimeError"
    ) -> None: ...


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack in a folder and on ports of its own: a demo that is up goes on undisturbed."""
    stack = Stack(tmp_path_factory.mktemp("e2e") / "stack")
    console = Console()
    with stack.locked():
        stack.up(console, {"MinSegments": "2", "ParallelCopyBytes": "0", "SelfRepairMinutes": "1"})
        try:
            yield stack
        finally:
            stack.down(console)


@pytest.fixture
def empty_tables(stack: Stack) -> None:
    seed.create_tables(stack.client("dynamodb"))


@pytest.fixture(scope="session")
def exported(stack: Stack) -> Mapping[str, str]:
    """The environment of a shell after `source .local/env`."""
    shell = ["/bin/sh", "-c", '. "$0" && env -0', str(stack.folder / "env")]
    printed = subprocess.run(shell, env={"PATH": os.defpath}, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in printed.split("\0") if line)


@pytest.fixture
def client(exported: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Clients as anybody makes them, from the environment alone."""
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    made = []

    def make(service: str) -> Any:
        session: Any = boto3.Session()
        made.append(session.client(service))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def start(client: Client, exported: Mapping[str, str]) -> Start:
    """Start a run through the ordinary API; returns its ARN."""

    def start(given: Mapping[str, Any]) -> str:
        started = client("stepfunctions").start_execution(
            stateMachineArn=exported["STATE_MACHINE_ARN"], input=json.dumps(given)
        )
        return str(started["executionArn"])

    return start


@pytest.fixture
def ended(client: Client) -> End:
    """Wait for the end of a run; returns its description, the output parsed."""

    def ended(arn: str) -> dict[str, Any]:
        states = client("stepfunctions")
        wait_for(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", RUN_SECONDS, pause=0.2)
        described = states.describe_execution(executionArn=arn)
        if described["status"] == "SUCCEEDED":
            described["output"] = json.loads(described["output"])
        return dict(described)

    return ended


@pytest.fixture
def refresh(start: Start, ended: End) -> Refresh:
    """A run from its start to its end."""
    return lambda given: ended(start(given))


@pytest.fixture
def deploy(stack: Stack, client: Client) -> Deploy:
    resources = client("cloudformation").describe_stack_resources(StackName="demand-pipeline-local")["StackResources"]
    names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}

    def deploy(function: str, segment: int | None = None, seconds: float = 0, error: str = "RuntimeError") -> None:
        broken = None if segment is None else BROKEN.format(segment=segment, seconds=seconds, error=error)
        code = archive(stack.folder / "sam" / "build" / function, broken)
        client("lambda").update_function_code(FunctionName=names[function], ZipFile=code)

    return deploy


def archive(folder: Path, broken: str | None = None) -> bytes:
    """A function's code as `sam build` left it, wrapped in a bug where one is given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in folder.rglob("*.py"):
            name = str(path.relative_to(folder))
            archive.write(path, "original.py" if broken and name == "app.py" else name)
        if broken:
            archive.writestr("app.py", broken)
    return buffer.getvalue()
