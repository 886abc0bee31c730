"""Whole processes measured from start to end, and servers measured while they work for others."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, Self

from benchmarks import launcher

_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 0.25


class CommandFailedError(RuntimeError):
    """A measured command failed; the message ends with what it said."""


@dataclass(frozen=True)
class Usage:
    """Seconds from start to end, seconds of CPU (user and system, children included), and the peak of memory."""

    wall: float
    cpu: float
    peak_mb: float

    @classmethod
    def median(cls, repetitions: Sequence[Self]) -> Self:
        """The median of each."""
        return cls(*(median(getattr(usage, name) for usage in repetitions) for name in ("wall", "cpu", "peak_mb")))


def run(*commands: Sequence[str], environment: Mapping[str, str] | None = None, timeout: float = 900) -> Usage:
    """Run a command, or several as a pipeline, and measure it; raises CommandFailedError.

    `environment` is added to this process's own. A pipeline's memory is the sum of its commands' peaks.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        reports = [Path(folder, str(number)) for number in range(len(commands))]
        start = time.monotonic()
        processes = _start_pipeline(commands, reports, said, {**os.environ, **(environment or {})})
        try:
            codes = [process.wait(timeout) for process in processes]
            wall = time.monotonic() - start
        finally:
            for process in processes:
                _end(process)
        if any(codes):
            said.seek(0)
            raise CommandFailedError(f"{' | '.join(map(' '.join, commands))}:\n{said.read().decode()[-4000:]}")
        used = [json.loads(report.read_text()) for report in reports]
    return Usage(
        wall=used[0]["wall"] if len(used) == 1 else wall,
        cpu=sum(each["cpu"] for each in used),
        peak_mb=sum(each["peak_kb"] for each in used) / 1024,
    )


def _start_pipeline(
    commands: Sequence[Sequence[str]], reports: Sequence[Path], said: IO[bytes], environment: Mapping[str, str]
) -> list[subprocess.Popen[bytes]]:
    """Start each command with its launcher, its input the output of the one before."""
    processes: list[subprocess.Popen[bytes]] = []
    for command, report in zip(commands, reports, strict=True):
        processes.append(
            subprocess.Popen(
                [sys.executable, "-IS", launcher.__file__, str(report), *command],
                stdin=processes[-1].stdout if processes else subprocess.DEVNULL,
                stdout=said if len(processes) == len(commands) - 1 else subprocess.PIPE,
                stderr=said,
                env=environment,
                start_new_session=True,  # so that it can be ended with all its children
            )
        )
    for process in processes[:-1]:
        if process.stdout:
            process.stdout.close()  # the next one has it: its end must be the writer's end
    return processes


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def interleaved[T](contestants: Mapping[str, Callable[[], T]], repetitions: int) -> dict[str, list[T]]:
    """Call every contestant in turn, as many times as told, another one first each time; their results by name."""
    results: dict[str, list[T]] = {name: [] for name in contestants}
    order = list(contestants)
    for _ in range(repetitions):
        for name in order:
            results[name].append(contestants[name]())
        order = order[1:] + order[:1]
    return results


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process and its children have used, those that have ended included."""
    # proc(5): utime, stime and, of the children that were waited for, cutime, cstime.
    return sum(sum(map(int, _stat(each)[11:15])) for each in _tree(pid)) / _TICKS


def memory_of(pid: int) -> float:
    """Megabytes that a process and its children hold now; a page shared by several counts once."""
    return sum(_proportional_kb(each) for each in _tree(pid)) / 1024


@dataclass
class Watch:
    """What servers used within a `with` block, by name: CPU seconds, and the most memory seen."""

    cpu: dict[str, float]
    peak_mb: dict[str, float]


@contextlib.contextmanager
def watched(servers: Mapping[str, int]) -> Iterator[Watch]:
    """Watch processes by name and pid; the figures are there when the block has ended."""
    watch = Watch({name: -cpu_of(pid) for name, pid in servers.items()}, dict.fromkeys(servers, 0.0))
    ended = threading.Event()

    def sample() -> None:
        for name, pid in servers.items():
            watch.peak_mb[name] = max(watch.peak_mb[name], memory_of(pid))

    def sample_until_end() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            sample()

    sampler = threading.Thread(target=sample_until_end)
    sampler.start()
    try:
        yield watch
    finally:
        ended.set()
        sampler.join()
        sample()
        for name, pid in servers.items():
            watch.cpu[name] += cpu_of(pid)


def _tree(pid: int) -> list[int]:
    """The process and its descendants that run now."""
    children: list[int] = []
    with contextlib.suppress(OSError):
        for tasks in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (tasks / "children").read_text().split())
    return [pid, *(each for child in children for each in _tree(child))]


def _stat(pid: int) -> list[str]:
    """What follows the name, which may hold anything; nothing when the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _proportional_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
