"""Keeps a load within the function's time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabaseTimeoutError, DeadlineError
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Statements

statement = Statements(__package__)


@dataclass(frozen=True, slots=True)
class Guard:
    """Keeps a load within its time limit: every error about time reports the load's progress."""

    connection: Connection
    deadline: Deadline

    @contextmanager
    def step(self, progress: str) -> Iterator[None]:
        """Run a block in which no statement may exceed the remaining time; raises DeadlineError."""
        self.check(progress)
        self.limit(self.deadline.seconds_left())
        try:
            yield
        except DatabaseTimeoutError:
            self.check(progress)
            raise

    def check(self, progress: str) -> None:
        """Raise DeadlineError if no time is left."""
        if self.deadline.seconds_left() <= 0:
            raise DeadlineError(
                f"out of time at {progress}; the tables are unchanged. Load fewer tables per run (run input: tables), "
                "or give the database a larger instance class"
            )

    def limit(self, seconds: float) -> None:
        """Limit every statement of the rest of the transaction to `seconds`."""
        self.connection.query(statement("limit_statements"), milliseconds=str(max(1, round(seconds * 1000))))

    def limit_session(self) -> None:
        """Limit every further statement of the session to the remaining time."""
        milliseconds = str(max(1, round(self.deadline.seconds_left() * 1000)))
        self.connection.query(statement("limit_session"), milliseconds=milliseconds)

    def watched(self, blocks: Iterator[bytes], progress: str) -> Iterator[bytes]:
        """Yield blocks while time is left; raises DeadlineError."""
        for block in blocks:
            self.check(progress)
            yield block


@dataclass(slots=True)
class Pace:
    """Decides whether one more step fits: at least twice the longest step's time must be left."""

    deadline: Deadline
    longest: float = 0.0

    def allows_one_more(self) -> bool:
        """Whether to begin another step; the first step is always allowed, so that every call makes progress."""
        return not self.longest or self.deadline.seconds_left() >= 2 * self.longest

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure the time of a step."""
        begun = self.deadline.seconds_left()
        yield
        self.longest = max(self.longest, begun - self.deadline.seconds_left())
