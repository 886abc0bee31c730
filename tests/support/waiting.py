"""Waiting for a condition: as short as may be, and long enough for a busy machine."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], seconds: float = 60, *, pause: float = 0.02) -> None:
    """Return as soon as the condition holds; fail if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still waiting after {seconds:g} s"
        time.sleep(pause)
