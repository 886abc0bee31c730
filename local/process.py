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

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class ProcessId:
    """A pid, with boot and start time to tell its process from a later one with the same pid."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """The identity of a running process; raises ProcessLookupError when there is none."""
        started = _started(pid)
        if started is None:
            raise ProcessLookupError(f"no process {pid}")
        return cls(pid, started)

    def is_running(self) -> bool:
        """Whether this process runs; a zombie does not count, nor does another process with the same pid."""
        return _started(self.pid) == self.started

    def wait(self, seconds: float) -> bool:
        """Wait until the process has ended; False when it still runs after `seconds`."""
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def stop(self, signals: Sequence[signal.Signals], seconds: float, *, group: bool = False) -> None:
        """Send one signal after the other, each with `seconds` to work; the last is SIGKILL in any case.

        With `group` the whole process group gets them: of a process that leads its own session.
        """
        for number in (*signals, signal.SIGKILL):
            if not self.is_running():
                break
            try:
                (os.killpg if group else os.kill)(self.pid, number)
            except ProcessLookupError:
                break
            self.wait(seconds)


def _started(pid: int) -> str | None:
    """Boot and start time of a running process; None if it has ended (or is a zombie)."""
    with contextlib.suppress(ChildProcessError):  # reap our own child: an ended one stays a zombie otherwise
        os.waitpid(pid, os.WNOHANG)
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()  # proc(5): the name before it may hold anything
        state, ticks = fields[0], fields[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return None if state in "ZX" else f"{boot}/{ticks}"
    shown = _ps("stat=,lstart=", pid).strip()
    return None if not shown or shown.startswith("Z") else shown.partition(" ")[2].strip()


_started_here: list[subprocess.Popen[bytes]] = []


@atexit.register
def _let_go() -> None:
    """Popen warns if it is deleted before its process ends; these are meant to continue."""
    for process in _started_here:
        process.returncode = 0


def spawn(command: Sequence[str], log: Path, **arguments: Any) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one, its output appended to `log`.

    It leads its own session: Ctrl-C in the terminal stops the command, not the servers.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **arguments
        )
    _started_here.append(process)
    return process


def command_line(pid: int) -> str:
    """The program and its arguments, separated by spaces; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return _ps("command=", pid)


def _ps(columns: str, pid: int) -> str:
    """Output of ps, for macOS, which has no /proc."""
    try:
        return subprocess.run(["ps", "-o", columns, "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def free_port() -> int:
    """A free TCP port of the loopback interface; another process may take it a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
