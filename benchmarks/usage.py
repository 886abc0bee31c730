"""Measures the usage of whole processes, and of servers while they work for other processes."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any, Self

import psutil

from benchmarks import launcher

_SAMPLE_SECONDS = 0.25


class CommandFailedError(RuntimeError):
    """A measured command failed; the message ends with its output."""


@dataclass(frozen=True)
class Usage:
    """Seconds from start to end, seconds of CPU (children included), and the peak memory of the largest process."""

    wall: float
    cpu: float
    peak_mb: float

    @classmethod
    def median(cls, repetitions: Sequence[Self]) -> Self:
        """Return the median of each value."""
        return cls(*(median(getattr(usage, each.name) for usage in repetitions) for each in fields(cls)))


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command and measure it, with `environment` added to this process's own; raises CommandFailedError."""
    with tempfile.NamedTemporaryFile() as report, tempfile.TemporaryFile() as output:
        launch = [sys.executable, "-IS", launcher.__file__, report.name, *command]
        variables = {**os.environ, **(environment or {})}
        done = subprocess.run(
            launch, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=variables, check=False
        )
        if done.returncode != 0:
            output.seek(0)
            raise CommandFailedError(f"{' '.join(command)}:\n{output.read().decode()[-4000:]}")
        return Usage(**json.loads(Path(report.name).read_text()))


def interleaved[T](calls: Iterable[tuple[str, Callable[[], T]]], repetitions: int) -> dict[str, list[T]]:
    """Make all calls in turn, `repetitions` times, starting with a different call each time; return results by name.

    Several calls may have the same name, so that a short one gets more turns.
    """
    order = list(calls)
    results: dict[str, list[T]] = {name: [] for name, _ in order}
    for _ in range(repetitions):
        for name, call in order:
            results[name].append(call())
        order = order[1:] + order[:1]
    return results


@dataclass
class Watch:
    """The usage of servers during a `with` block, by name: CPU seconds, and the maximum memory seen."""

    cpu: dict[str, float]
    peak_mb: dict[str, float]


@contextlib.contextmanager
def watched(servers: Mapping[str, int]) -> Iterator[Watch]:
    """Watch processes by name and pid; the figures are complete after the block."""
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


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and its children, including ended ones."""
    return sum([float(sum(times[:4])) for times in _of_all(pid, psutil.Process.cpu_times)])


def memory_of(pid: int) -> float:
    """Return the current megabytes of a process and its children; a shared page counts once."""
    return sum([float(memory.pss) for memory in _of_all(pid, psutil.Process.memory_full_info)]) / 2**20


def _of_all(pid: int, ask: Callable[[psutil.Process], Any]) -> Iterator[Any]:
    """Query a process and its descendants, except for processes that have just ended."""
    process = psutil.Process(pid)
    for each in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield ask(each)
