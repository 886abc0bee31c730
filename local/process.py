"""Processes that outlive the command that started them: identified by pid and start time, reliably stopped."""

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class ProcessId:
    """A pid, with the start in seconds after the boot to distinguish its process from a later one with the same pid."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Return the identity of a running process; raises ProcessLookupError if it does not run."""
        started = _started(pid)
        if started is None:
            raise ProcessLookupError(f"no process {pid}")
        return cls(pid, started)

    def is_running(self) -> bool:
        """Whether this process runs; a zombie does not count, nor does another process with the same pid."""
        return _started(self.pid) == self.started

    def wait(self, seconds: float) -> bool:
        """Wait until the process has ended; False if it still runs after `seconds`."""
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def stop(self, signals: Sequence[signal.Signals], seconds: float, *, group: bool = False) -> None:
        """Send one signal after the other, and wait `seconds` after each; the last is always SIGKILL.

        With `group`, the signals go to the process group of a process that leads its own session.
        """
        for number in (*signals, signal.SIGKILL):
            if not self.is_running():
                break
            try:
                (os.killpg if group else os.kill)(self.pid, number)
            except ProcessLookupError:
                break
            self.wait(seconds)


def _started(pid: int) -> float | None:
    """Return the seconds from boot to the start of a running process; None if it has ended or is a zombie."""
    with contextlib.suppress(ChildProcessError):  # reap our own child, which would otherwise stay a zombie
        os.waitpid(pid, os.WNOHANG)
    try:
        process = psutil.Process(pid)
        # Not the time of day, which changes for all processes when the clock is set.
        started = round(process.create_time() - psutil.boot_time(), 2)
        return None if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD) else started
    except psutil.NoSuchProcess:
        return None


_started_here: list[subprocess.Popen[bytes]] = []


@atexit.register
def _let_go() -> None:
    """Mark the processes as ended: otherwise Popen would warn about processes that are meant to continue."""
    for process in _started_here:
        process.returncode = 0


def spawn(command: Sequence[str], log: Path, **arguments: Any) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one, its output appended to `log`.

    The process leads its own session: Ctrl-C in the terminal stops the command, not the servers.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **arguments
        )
    _started_here.append(process)
    return process


def command_line(pid: int) -> str:
    """Return the program and its arguments, separated by spaces; empty if the process does not exist."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


def free_port() -> int:
    """Return a free TCP port of the loopback interface; another process may take it a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
