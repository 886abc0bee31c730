"""Attempts that outlive their Task: they are suspended somewhere in their work, and continue or die later."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

_local = threading.local()

# A suspended load that holds the load lock or another lock continues by itself: otherwise the server would end it.
HOLDING_SECONDS = 0.3
_PATIENCE_SECONDS = 60.0


class SandboxKilled(BaseException):
    """Ends the thread of an attempt whose sandbox was killed; `except Exception` does not catch it."""


@dataclass
class Attempt:
    """An attempt in a separate thread, to be suspended at its n-th call of AWS or PostgreSQL."""

    suspend_at: int
    dies: bool = False
    reached: Event = field(default_factory=Event)
    resume: Event = field(default_factory=Event)
    answer: Any = None
    calls: int = 0
    thread: Thread | None = None

    def start(self, proceed: Callable[[], Any], seconds: float | None = None) -> None:
        """Run until the point of suspension, or to the end if it comes first; `seconds` is the function's time."""

        def run() -> None:
            _local.attempt, _local.in_task, _local.seconds = self, True, seconds
            try:
                self.answer = proceed()
            except SandboxKilled:
                pass
            except Exception as error:  # noqa: BLE001 - there is no caller to report it to
                self.answer = error
            self.reached.set()

        self.thread = Thread(target=run, daemon=True)
        self.thread.start()
        if not self.reached.wait(_PATIENCE_SECONDS):
            raise TimeoutError("an attempt reached neither its call nor its end")

    def finish(self) -> None:
        """Resume the attempt, and wait for its end."""
        self.resume.set()
        if self.thread is not None:
            self.thread.join(_PATIENCE_SECONDS)
            if self.thread.is_alive():
                raise TimeoutError("a late attempt does not end")


def call(*, holding: bool = False, hang_up: Callable[[], None] | None = None) -> None:
    """Suspend the attempt if this is its call; every call of AWS or PostgreSQL calls this first.

    `holding`: the session holds locks that others may wait for.
    """
    attempt: Attempt | None = getattr(_local, "attempt", None)
    if attempt is None:
        return
    attempt.calls += 1
    if attempt.calls != attempt.suspend_at:
        return
    if attempt.dies and hang_up is not None:
        hang_up()  # the connections of a killed sandbox are closed
    attempt.reached.set()
    attempt.resume.wait(HOLDING_SECONDS if holding and not attempt.dies else _PATIENCE_SECONDS)
    if attempt.dies:
        raise SandboxKilled


class Pool(ThreadPoolExecutor):
    """Threads that work for the attempt that submitted their work."""

    def submit[**P, T](self, work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> Future[T]:
        asked_by = dict(vars(_local))

        def run() -> T:
            vars(_local).clear()
            vars(_local).update(asked_by)
            return work(*arguments, **named)

        return super().submit(run)


def enter_task() -> None:
    """Mark this thread as working for a Task."""
    _local.in_task = True


def leave_task() -> None:
    """Mark this thread as no longer working for a Task: its calls are the test's own."""
    _local.in_task = False


def in_task() -> bool:
    """Whether this thread works for a Task, and faults can be injected into it."""
    return getattr(_local, "in_task", False)


def is_late() -> bool:
    """Whether this thread is an attempt that outlives its Task."""
    return getattr(_local, "attempt", None) is not None


def shorten(seconds: float | None, looks: int = 0) -> None:
    """Shorten the time of this thread's function, as seen after `looks` checks of the clock; None: the usual time."""
    _local.seconds, _local.looks = seconds, looks


def seconds() -> float:
    """Return the remaining time of this thread's function, which counts as a check of the clock."""
    looks = getattr(_local, "looks", 0)
    _local.looks = looks - 1
    return (getattr(_local, "seconds", None) if looks <= 0 else None) or 900.0
