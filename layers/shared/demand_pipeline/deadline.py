"""How long a function may still run, and what of it belongs to calls of AWS."""

from collections.abc import Callable
from dataclasses import dataclass

# An attempt at a call of AWS: to connect, to send the request, and to wait for more of the answer.
CONNECT_SECONDS = 5.0
SEND_SECONDS = CONNECT_SECONDS  # urllib3 uses one timeout for both
READ_SECONDS = 10.0
# botocore pauses for up to 20 s before a retry, and for up to 5 s more where the service asks for it.
PAUSE_SECONDS = 25.0
ATTEMPT_SECONDS = CONNECT_SECONDS + SEND_SECONDS + READ_SECONDS + PAUSE_SECONDS

# To hand over what there is, with time for retries: the pages being read, the last part, the object's completion.
FINISH_SECONDS = 15.0
RESERVE_SECONDS = FINISH_SECONDS + ATTEMPT_SECONDS


@dataclass(frozen=True, slots=True)
class Deadline:
    """Lambda's time limit, less a reserve for handing over what there is.

    The reserve covers what follows the last look at the clock: the pages being read are finished, the last
    part (8 MiB) is sent, the object is completed, the function answers. With an AWS that answers this takes
    about two seconds. With one that does not, calls are retried for `FINISH_SECONDS` at least; the last attempt
    and botocore's pause after it end before the limit, so that the error is a `TransientError` and not a
    killed function. A load rolls back within it.

    It does not cover a host that has several addresses, none of which answers, nor an answer that never pauses for
    `READ_SECONDS` and never ends: those run into Lambda's limit.
    """

    remaining_milliseconds: Callable[[], int]

    def seconds_left(self) -> float:
        """Seconds of work left; zero or less means: stop now."""
        return self._seconds() - RESERVE_SECONDS

    def allows_attempt(self) -> bool:
        """Whether an attempt at a call of AWS that starts now ends before the limit, successful or not."""
        return self._seconds() >= ATTEMPT_SECONDS

    def _seconds(self) -> float:
        return self.remaining_milliseconds() / 1000
