"""The stack leaves nothing behind, however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import docker, sam
from local.console import Console
from local.emulator.emulator import Emulator
from local.postgres import PostgresServer
from local.relay import Relay
from local.stack import PROJECT, Stack, StackError
from tests.support.nonsense import DEAD_PROXY, NONSENSE

pytestmark = pytest.mark.xdist_group("stack")
BUSY_SECONDS = 180  # commands take a few seconds, but not on a busy machine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def command(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "local", "--folder", str(folder), *arguments]
    path = os.pathsep.join([str(PROJECT), str(PROJECT / "layers" / "shared")])
    return subprocess.Popen(
        line,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": path, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def started(folder: Path) -> tuple[Emulator, PostgresServer]:
    """Return the processes that a command has started, once both exist."""
    stack = Stack(folder)
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        assert time.monotonic() < deadline
        try:
            return stack.emulator, stack.postgres
        except (FileNotFoundError, KeyError):
            time.sleep(0.05)


def nothing_is_left(folder: Path, emulator: Emulator, postgres: PostgresServer) -> bool:
    return not (folder.exists() or postgres.folder.exists() or emulator.is_running() or postgres.is_running())


def test_down_does_nothing_where_nothing_is_up(folder: Path) -> None:
    Stack(folder).down(Console())
    assert not folder.exists()


def test_a_deployment_that_fails_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, parts = Stack(folder), []

    def fail(*_: object) -> None:
        parts.append((stack.emulator, stack.postgres))
        raise sam.SamError("sam build failed")

    monkeypatch.setattr(sam, "build", fail)
    with pytest.raises(sam.SamError):
        stack.up(Console())
    assert nothing_is_left(folder, *parts[0])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_interrupted_leaves_nothing(folder: Path, number: signal.Signals, status: int) -> None:
    with command(folder, "up") as up:
        parts = started(folder)
        up.send_signal(number)
        assert up.wait(30) == status
    assert nothing_is_left(folder, *parts)


def test_the_demo_runs_in_a_shell_with_other_settings(folder: Path) -> None:
    with command(folder, "demo", "--size", "10", **NONSENSE, **DEAD_PROXY) as demo:
        output = demo.communicate(timeout=BUSY_SECONDS)[0]
    with command(folder, "down", **NONSENSE) as down:
        assert down.wait(BUSY_SECONDS) == 0
    assert demo.returncode == 0, output[-5000:]
    assert not folder.exists()


def test_down_cleans_up_after_a_command_that_was_killed(folder: Path) -> None:
    with command(folder, "up") as up:
        parts = started(folder)
        up.kill()
    assert (parts[0].is_running(), parts[1].is_running()) == (True, True)
    with command(folder, "down") as down:
        assert down.wait(BUSY_SECONDS) == 0
    assert nothing_is_left(folder, *parts)


def test_down_spares_a_process_that_got_the_pid_of_one_of_ours(folder: Path) -> None:
    state = folder / "emulator" / "process.json"
    state.parent.mkdir(parents=True)
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as stranger:
        state.write_text(json.dumps({"port": 1, "process": {"pid": stranger.pid, "started": "long ago"}}))
        Stack(folder).down(Console())
        assert stranger.poll() is None
        stranger.kill()
    assert not folder.exists()


def test_two_commands_at_once_are_refused(folder: Path) -> None:
    with Stack(folder).locked(), command(folder, "down") as second:
        output = second.communicate(timeout=BUSY_SECONDS)[0]
    assert second.returncode == 1
    assert "another command is using" in output


def test_a_command_without_a_stack_says_how_to_start_one(folder: Path) -> None:
    with command(folder, "seed") as run:
        output = run.communicate(timeout=BUSY_SECONDS)[0]
    assert run.returncode == 1
    assert "make demo" in output
    with pytest.raises(StackError):
        Stack(folder).require_up()


@pytest.fixture
def nothing_is_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam, "build", lambda *_: None)
    monkeypatch.setattr(sam, "deploy", lambda *_: None)
    monkeypatch.setattr(sam, "outputs", lambda _: {"StateMachineArn": "arn", "StagingBucketName": "bucket"})


def reachable(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=30).close()
    except OSError:
        return False
    return True


def test_with_an_engine_the_stack_listens_on_its_bridge_until_it_is_down(
    folder: Path, nothing_is_deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "bridge_address", lambda: "127.0.0.2")
    stack = Stack(folder)
    stack.up(Console())
    try:
        ports = stack.container_ports.values()
        assert [reachable("127.0.0.2", port) for port in ports] == [True, True]
        assert [reachable("127.0.0.1", port) for port in ports] == [False, False]
        relay = Relay.at(folder / "relay")
    finally:
        stack.down(Console())
    assert [reachable("127.0.0.2", port) for port in ports] == [False, False]
    assert (relay.is_running(), folder.exists()) == (False, False)


@pytest.mark.parametrize("address", [None, "192.0.2.1"])
def test_without_an_engine_on_this_machine_the_stack_comes_up_as_ever(
    address: str | None, folder: Path, nothing_is_deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bridge_address() -> str:
        if address is None:
            raise docker.DockerError("no engine")
        return address

    monkeypatch.setattr(docker, "bridge_address", bridge_address)
    stack = Stack(folder)
    stack.up(Console())
    try:
        stack.require_up()
        assert not (folder / "relay").exists()
        assert list(stack.container_ports.values()) == [stack.emulator.port, stack.postgres.port]
    finally:
        stack.down(Console())


def test_a_stack_whose_database_died_says_so(folder: Path, nothing_is_deployed: None) -> None:
    stack = Stack(folder)
    stack.up(Console())
    try:
        stack.require_up()
        os.kill(stack.postgres.process.pid, signal.SIGKILL)
        assert stack.postgres.process.wait(10)
        with pytest.raises(StackError, match="PostgreSQL has died"):
            stack.require_up()
    finally:
        stack.down(Console())
