"""A thread's position in an execution, needed to abort siblings and to recognise a task in a redrive."""

from collections import Counter
from contextvars import ContextVar
from typing import Self

type Path = tuple[object, ...]


class Stopped(Exception):  # noqa: N818 - not an error: the sibling's failure is the error
    """The state ends without a result: a sibling has failed, or the execution was stopped."""


class Frame:
    """The running states of the machine, a branch or an iteration; or a group of frames that run together.

    `path` is the same in every redrive. A frame that replays adds no state to the history.
    `last_event` is the number of its last event in the history, `arguments` are the arguments of its latest task.
    """

    def __init__(self, path: Path = (), parent: Self | None = None, *, replays: bool = False) -> None:
        self.path = path
        self.parent = parent
        self.replays = replays
        self.last_event: int = parent.last_event if parent else 0
        self.arguments: object = None
        self._redriven = replays
        self._visits: Counter[object] = Counter()
        self._stopped = False

    def child(self, name: object) -> Self:
        """Return the frame of a branch, of an iteration, or of a group of them."""
        return type(self)((*self.path, name), self, replays=self._redriven)

    def visit(self, state: str) -> Path:
        """Return a name for this entry into a state: loops enter a state more than once."""
        self._visits[state] += 1
        return (*self.path, state, self._visits[state])

    def goes_on(self) -> None:
        """End the replay here and in all parents: from now on, states are new."""
        self.replays = False
        if self.parent is not None:
            self.parent.goes_on()

    def stop(self) -> None:
        """Abort everything in this frame."""
        self._stopped = True

    def is_stopped(self) -> bool:
        """Whether this frame or a parent was stopped."""
        return self._stopped or (self.parent is not None and self.parent.is_stopped())

    def check(self) -> None:
        """Raise Stopped if this frame was stopped."""
        if self.is_stopped():
            raise Stopped


current: ContextVar[Frame] = ContextVar("current")
