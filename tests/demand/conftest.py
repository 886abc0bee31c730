"""The command line against the real state machine in moto: a stack as CloudFormation reports it, and its runs."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest

from demand.cli import main, run
from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from local.seed import key_item
from tests.demand.deployed import (
    RESOURCES,
    STACK,
    CloudFormation,
    Stack,
    clients_recorded,
    counting,
    create_resources,
    deployed,
    redriving,
)
from tests.statemachine.conftest import one_at_a_time
from tests.statemachine.harness import Machine, TaskFailed
from tests.support import functions as real_functions
from tests.support.aws import BUCKET as REAL_BUCKET
from tests.support.aws import REGION, VARIABLES, create_source
from tests.support.operate import OUTPUTS, Lambda
from tests.support.warehouse import Warehouse, variables

CASES = TABLES["cases"]
COUNT = 30
"""How many cases `loaded` has at first."""

# Beginnings of the lines that the functions, which share this process, write to standard output.
LOGGED = ('{"level"', '{"_aws"')


@dataclass(frozen=True)
class Said:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Its only line of output."""
        [line] = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


type Demand = Callable[..., Said]
type Deployed = Callable[..., Any]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A shell with credentials, away from any samconfig.toml."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("DEMAND_STACK", STACK)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "POLL_SECONDS", 0.01)


@pytest.fixture
def demand(environment: None, capsys: pytest.CaptureFixture[str]) -> Demand:
    """Run a command line in this process."""

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        code: int = main(list(arguments))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call


@dataclass
class Real:
    """The real state machine, functions and warehouse behind the command line."""

    warehouse: Warehouse
    demand: Demand
    dynamodb: Any
    calls: list[str]
    lost: list[str]  # errors of loads whose work was done
    machine: Machine

    def put(self, *items: dict[str, Any], table: str = "cases") -> None:
        for item in items:
            self.dynamodb.put_item(TableName=TABLES[table].source, Item=item)

    def run(self, *words: str) -> str:
        said = self.demand("run", "--tables", "cases,metadata", "--json", *words)
        return str(said.json["run"])

    def called(self, *words: str) -> tuple[Said, set[str]]:
        self.calls.clear()
        return self.demand(*words), set(self.calls)


@pytest.fixture
def real(aws: None, warehouse: Warehouse, demand: Demand, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    for name, value in (VARIABLES | variables(warehouse.settings)).items():
        monkeypatch.setenv(name, value)
    for table in TABLES.values():
        create_source(table)
    lost: list[str] = []

    def around(task: Any, proceed: Any) -> Any:
        answer = proceed()
        if task.state == "LoadWarehouse" and lost:
            raise TaskFailed(lost.pop())
        return answer

    with Machine(one_at_a_time(real_functions.handlers()), around=around) as machine:
        outputs = {"StateMachineArn": machine.arn, "StagingBucketName": REAL_BUCKET, **OUTPUTS}
        cloudformation = CloudFormation(outputs, RESOURCES)
        named = {f"{camel_case(table.source)}Table": table.source for table in TABLES.values()}
        cloudformation._stack["Parameters"] += [{"ParameterKey": n, "ParameterValue": v} for n, v in named.items()]
        calls = cloudformation.calls
        fakes: dict[str, Any] = {"cloudformation": cloudformation, "lambda": Lambda()}
        fakes["lambda"].calls = calls

        def alone(*words: str) -> Said:
            said = demand(*words)
            lines = said.out.splitlines(keepends=True)
            return replace(said, out="".join(line for line in lines if not line.startswith(LOGGED)))

        with clients_recorded(fakes, calls), redriving(machine):
            client: Any = boto3.client
            create_resources(client)
            yield Real(warehouse, alone, client("dynamodb"), calls, lost, machine)


def case(number: int, **attributes: Any) -> dict[str, Any]:
    return {**key_item(CASES, number), "status": {"S": "open"}, **attributes}


@pytest.fixture
def loaded(real: Real) -> Real:
    """A committed run of cases, two of which are rejects."""
    real.put(*(case(number) for number in range(COUNT)))
    real.put(case(100, issueDate={"S": "31/12/2026"}), case(101, issueDate={"S": "soon"}))
    real.put(case(102, isDuplicate={"BOOL": True}, amounts={"M": {"net": {"N": "12345678901234567890123456789.01"}}}))
    real.run("--max-reject-percent", "50")
    return real


@pytest.fixture
def stack(environment: None) -> Iterator[Stack]:
    """A stack whose runs succeed, without rejects."""
    with deployed(counting()) as stack:
        yield stack
