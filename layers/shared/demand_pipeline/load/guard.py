"""Keeps a load within the function's time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabaseTimeoutError, DeadlineError
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import statement


@dataclass(frozen=True, slots=True)
class Guard:
    """What looks at the clock for a load: every error about time says how far the load had come."""

    connection: Connection
    deadline: Deadline

    @contextmanager
    def step(self, progress: str) -> Iterator[None]:
        """Run statements, none of which may take longer than the time that is left; raises DeadlineError."""
        self.check(progress)
        self.limit(self.deadline.seconds_left())
        try:
            yield
        except DatabaseTimeoutError:
            self.check(progress)
            raise

    def check(self, progress: str) -> None:
        """There is time left; raises DeadlineError."""
        if self.deadline.seconds_left() <= 0:
            raise DeadlineError(
                f"out of time at {progress}; the tables are unchanged. Load fewer tables a run (run input: tables), "
                "or give the database a larger instance class"
            )

    def limit(self, seconds: float) -> None:
        """From here on to the end of the transaction, no statement may take longer."""
        self.connection.query(statement("limit_statements"), milliseconds=str(max(1, round(seconds * 1000))))

    def limit_session(self) -> None:
        """From here on, no statement of the session may take longer than the time that is left."""
        milliseconds = str(max(1, round(self.deadline.seconds_left() * 1000)))
        self.connection.query(statement("limit_session"), milliseconds=milliseconds)

    def watched(self, blocks: Iterator[bytes], progress: str) -> Iterator[bytes]:
        """Yield blocks as long as there is time; raises DeadlineError."""
        for block in blocks:
            self.check(progress)
            yield block


@dataclass(slots=True)
class Pace:
    """Whether there is time for one more of several like steps: twice as much as the longest one took."""

    deadline: Deadline
    longest: float = 0.0

    def allows_one_more(self) -> bool:
        """The first one is always begun: otherwise nothing would ever be done."""
        return not self.longest or self.deadline.seconds_left() >= 2 * self.longest

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take the time of a step."""
        begun = self.deadline.seconds_left()
        yield
        self.longest = max(self.longest, begun - self.deadline.seconds_left())
