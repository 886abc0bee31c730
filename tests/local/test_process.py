import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.process import ProcessId, command_line, free_port
from tests.support.waiting import wait_for

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_process_is_known_by_pid_and_start(child: subprocess.Popen[bytes]) -> None:
    process = ProcessId.of(child.pid)
    assert process.is_running()
    assert not ProcessId(child.pid, process.started - 0.01).is_running()


def test_another_process_that_got_the_pid_is_not_stopped(child: subprocess.Popen[bytes]) -> None:
    process = ProcessId.of(child.pid)
    ProcessId(child.pid, process.started - 0.01).stop([signal.SIGTERM], seconds=0.1)
    assert process.is_running()


def test_a_process_that_ignores_the_first_signal_gets_the_last(child: subprocess.Popen[bytes]) -> None:
    process = ProcessId.of(child.pid)
    process.stop([signal.SIGTERM], seconds=0.1)
    assert process.wait(5)
    assert not process.is_running()


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # the shell was quick enough to ask what became of it
        return True


def test_a_zombie_does_not_run_whoever_its_parent_is() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ProcessLookupError):
            ProcessId.of(child.pid)
    script = "/bin/true & echo $!; exec /bin/sleep 60"  # sleep does not ask what became of its child
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_for(lambda: has_ended(pid))
        with pytest.raises(ProcessLookupError):
            ProcessId.of(pid)
        parent.kill()


def test_the_command_line_of_a_process_that_ended_is_empty() -> None:
    assert Path(sys.executable).name in command_line(os.getpid())
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert command_line(process.pid) == ""


def test_a_free_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass
