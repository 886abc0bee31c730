"""How long a function may still run."""

from collections.abc import Callable
from dataclasses import dataclass

# Time to finish an upload and answer: the last part of a chunk is sent well within it.
RESERVE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Deadline:
    """Lambda's time limit, less a reserve for handing over what there is."""

    remaining_milliseconds: Callable[[], int]

    def seconds_left(self) -> float:
        """Seconds of work left; zero or less means: stop now."""
        return self.remaining_milliseconds() / 1000 - RESERVE_SECONDS
