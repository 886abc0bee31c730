"""The function's remaining time, and the reserve in it for calls of AWS."""

from collections.abc import Callable
from dataclasses import dataclass

# An attempt at a call of AWS: to connect, to send the request, and to wait for more of the answer.
CONNECT_SECONDS = 5.0
SEND_SECONDS = CONNECT_SECONDS  # urllib3 uses one timeout for both
READ_SECONDS = 10.0
# botocore pauses for up to 20 s before a retry, and for up to 5 s more where the service asks for it.
PAUSE_SECONDS = 25.0
ATTEMPT_SECONDS = CONNECT_SECONDS + SEND_SECONDS + READ_SECONDS + PAUSE_SECONDS

# Time reserved for finishing, retries included: the pages being read, the last part, the object's completion.
FINISH_SECONDS = 15.0
RESERVE_SECONDS = FINISH_SECONDS + ATTEMPT_SECONDS


@dataclass(frozen=True, slots=True)
class Deadline:
    """Lambda's time limit, less a reserve for finishing.

    The reserve covers the work after the last check of the clock: the function finishes the pages being read, sends
    the last part (8 MiB), completes the object and answers. This takes about two seconds if AWS answers. If AWS does
    not answer, calls are retried for at least `FINISH_SECONDS`; the last attempt and botocore's pause after it end
    before the limit, so that the function raises a `TransientError` and is not killed. A load rolls back within the
    reserve.

    The reserve does not cover a host with several addresses of which none answers, or an endless answer that never
    pauses for `READ_SECONDS`: both run into Lambda's limit.
    """

    remaining_milliseconds: Callable[[], int]

    def seconds_left(self) -> float:
        """Return the seconds left for work; zero or less means: stop now."""
        return self._seconds() - RESERVE_SECONDS

    def allows_attempt(self) -> bool:
        """Whether an attempt at a call of AWS that starts now ends before the limit, successful or not."""
        return self._seconds() >= ATTEMPT_SECONDS

    def _seconds(self) -> float:
        return self.remaining_milliseconds() / 1000
