"""Attempts that outlive their Task: suspended somewhere in their work, and let go on, or die, later."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

_local = threading.local()

# A half-dead load that holds the turn or a lock goes on by itself: the server would end it otherwise.
HOLDING_SECONDS = 0.3
_PATIENCE_SECONDS = 60.0


class SandboxKilled(BaseException):
    """Ends the thread of an attempt whose sandbox is gone; no `except Exception` holds it up."""


@dataclass
class Attempt:
    """An attempt in a thread of its own, to be suspended at its n-th call of AWS or PostgreSQL."""

    suspend_at: int
    dies: bool = False
    reached: Event = field(default_factory=Event)
    resume: Event = field(default_factory=Event)
    answer: Any = None
    calls: int = 0
    thread: Thread | None = None

    def start(self, proceed: Callable[[], Any], seconds: float | None = None) -> None:
        """Run until the point of suspension, or the end if that comes first; `seconds` are the function's time."""

        def run() -> None:
            _local.attempt, _local.in_task, _local.seconds = self, True, seconds
            try:
                self.answer = proceed()
            except SandboxKilled:
                pass
            except Exception as error:  # noqa: BLE001 - nobody is left to report it to
                self.answer = error
            self.reached.set()

        self.thread = Thread(target=run, daemon=True)
        self.thread.start()
        if not self.reached.wait(_PATIENCE_SECONDS):
            raise TimeoutError("an attempt neither reached its call nor its end")

    def finish(self) -> None:
        """Let it go on, and wait for its end."""
        self.resume.set()
        if self.thread is not None:
            self.thread.join(_PATIENCE_SECONDS)
            if self.thread.is_alive():
                raise TimeoutError("a late attempt does not end")


def call(*, holding: bool = False, hang_up: Callable[[], None] | None = None) -> None:
    """Every call of AWS or PostgreSQL comes by here; `holding` is one that others may wait for."""
    attempt: Attempt | None = getattr(_local, "attempt", None)
    if attempt is None:
        return
    attempt.calls += 1
    if attempt.calls != attempt.suspend_at:
        return
    if attempt.dies and hang_up is not None:
        hang_up()  # a sandbox that dies takes its connections along
    attempt.reached.set()
    attempt.resume.wait(HOLDING_SECONDS if holding and not attempt.dies else _PATIENCE_SECONDS)
    if attempt.dies:
        raise SandboxKilled


class Pool(ThreadPoolExecutor):
    """Threads that work for whomever they were asked by."""

    def submit[**P, T](self, work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> Future[T]:
        asked_by = dict(vars(_local))

        def run() -> T:
            vars(_local).clear()
            vars(_local).update(asked_by)
            return work(*arguments, **named)

        return super().submit(run)


def enter_task() -> None:
    """Say that this thread works for a Task from here on."""
    _local.in_task = True


def leave_task() -> None:
    """Say that it does not any more: what it calls now is the test's own."""
    _local.in_task = False


def in_task() -> bool:
    """Whether this thread works for a Task, and faults can be injected into it."""
    return getattr(_local, "in_task", False)


def is_late() -> bool:
    """Whether this thread is an attempt that outlives its Task."""
    return getattr(_local, "attempt", None) is not None


def shorten(seconds: float | None, looks: int = 0) -> None:
    """Give this thread's function so little time, which it learns after some looks at the clock; None: as much as ever."""
    _local.seconds, _local.looks = seconds, looks


def seconds() -> float:
    """How long this thread's function may still run: a look at the clock."""
    looks = getattr(_local, "looks", 0)
    _local.looks = looks - 1
    return (getattr(_local, "seconds", None) if looks <= 0 else None) or 900.0
