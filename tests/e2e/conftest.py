"""One deployed stack for all end-to-end tests, and an outside client that knows only `.local/env`."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any

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


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack in a folder and on ports of its own: a demo that is up goes on undisturbed."""
    stack = Stack(tmp_path_factory.mktemp("e2e") / "stack")
    console = Console()
    with stack.locked():
        stack.up(console, {"MinSegments": "2"})
        try:
            yield stack
        finally:
            stack.down(console)


@pytest.fixture
def empty_tables(stack: Stack) -> None:
    seed.create_tables(stack.client("dynamodb"))


@pytest.fixture(scope="session")
def exported(stack: Stack) -> Mapping[str, str]:
    """What a shell has after `source .local/env`."""
    shell = ["/bin/sh", "-c", '. "$0" && env -0', str(stack.folder / "env")]
    printed = subprocess.run(shell, env={"PATH": os.defpath}, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in printed.split("\0") if line)


@pytest.fixture
def client(exported: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Clients as anybody makes them, from the environment alone."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
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
