"""`make deploy`: the schedule is paused, active runs end first, and the schedule is as it was before."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from demand.stack import Stack
from scripts import deploy

ARNS = {"StateMachineArn": "arn:pipeline", "RepairRunArn": "arn:repair"}


class Account:
    """A stack with its schedule; `running` are the answers to the questions about active executions, one after another."""

    def __init__(
        self, state: str = "ENABLED", deployed: str = "ENABLED", running: tuple[tuple[str, ...], ...] = ()
    ) -> None:
        self.state = state
        self.deployed = deployed
        self.running = list(running)
        self.did: list[str] = []

    def find(self) -> Stack:
        stack = Stack("s", "eu-west-1", ARNS, {"ScheduleState": self.deployed}, lambda _: self)
        object.__setattr__(stack, "resource", lambda *_: type("Resource", (), {"physical_id": "schedule"}))
        return stack

    def get_schedule(self, Name: str) -> Any:  # noqa: N803 - boto3's
        return {"Name": Name, "State": self.state, "ScheduleExpression": "rate(1 day)"}

    def update_schedule(self, **given: Any) -> None:
        self.state = given["State"]
        self.did.append(self.state)

    def list_executions(self, stateMachineArn: str, statusFilter: str) -> Any:  # noqa: N803 - boto3's
        assert statusFilter == "RUNNING"
        names = self.running.pop(0) if self.running else ()
        return {"executions": [{"name": name} for name in names if stateMachineArn in ARNS.values()]}

    def sam(self, code: int = 0) -> Callable[..., int]:
        def run(*words: str) -> int:
            self.did.append(" ".join(words))
            return code if words[0] == "deploy" else 0

        return run


BUILD, DEPLOY = "build --config-env prod", "deploy --config-env prod --no-confirm-changeset"


def deployed(account: Account, find: Any = None, code: int = 0) -> int:
    return deploy.deploy(find or account.find, account.sam(code), "prod", ["--no-confirm-changeset"])


@pytest.mark.parametrize("code", [0, 1])
def test_the_schedule_is_paused_for_the_deployment_alone_also_if_it_fails(code: int) -> None:
    account = Account()
    assert deployed(account, code=code) == code
    assert account.did == [BUILD, "DISABLED", DEPLOY, "ENABLED"]


def test_a_schedule_that_was_paused_stays_paused_and_one_that_is_deployed_disabled_too() -> None:
    paused = Account(state="DISABLED")
    assert deployed(paused) == 0
    turned_off = Account(deployed="DISABLED")
    assert deployed(turned_off) == 0
    assert (paused.did, turned_off.did) == ([BUILD, DEPLOY], [BUILD, "DISABLED", DEPLOY])


def test_it_waits_for_active_runs_and_automatic_redrives_and_says_how_to_resume_the_schedule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = Account(running=(("nightly",), (), (), ("repair-1",)))  # of the run's machine and the other, twice
    monkeypatch.setattr("scripts.deploy.time.sleep", lambda _: account.did.append("wait"))
    assert deployed(account) == 0
    assert account.did == [BUILD, "DISABLED", "wait", "wait", DEPLOY, "ENABLED"]
    assert capsys.readouterr().out.splitlines() == [
        "the schedule is paused; if this is killed, run demand resume --config-env prod",
        "waiting for pipeline nightly",
        "waiting for repair repair-1",
    ]


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (NoCredentialsError(), 1, "error: no AWS credentials: Unable to locate credentials\ntry: aws sso login"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_failure_of_aws_and_ctrl_c_end_without_a_traceback(
    failure: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> int:
        raise failure

    monkeypatch.setattr("sys.argv", ["deploy"])
    monkeypatch.setattr(deploy, "deploy", fail)
    assert deploy.main() == code
    assert capsys.readouterr().err.startswith(message)


def test_the_first_deployment_waits_for_nothing() -> None:
    account = Account()
    assert deployed(account, find=lambda: None) == 0
    assert account.did == [BUILD, DEPLOY]
