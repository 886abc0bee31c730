"""The kinds of faults, their places, and the count of injected faults."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class Fault:
    """A fault at `place`: the first `skip` calls there pass, and the next `times` calls meet the fault."""

    kind: str
    place: str
    variant: str = ""
    skip: int = 0
    times: int = 1
    call: int = 1  # inside the place: the n-th call of an attempt, the n-th block of a COPY

    def __str__(self) -> str:
        variant = f" ({self.variant})" if self.variant else ""
        return f"{self.kind}{variant} at {self.place}, after {self.skip}, {self.times} times, call {self.call}"


# The errors that each kind of fault may cause. If a run ends with any other error, the campaign has failed.
LAMBDA_ERRORS = frozenset({"Lambda.Unknown", "Lambda.ServiceException", "Lambda.TooManyRequestsException"})
# The corresponding errors of states that call DynamoDB directly.
DYNAMODB_ERRORS = frozenset({"DynamoDb.InternalServerErrorException", "DynamoDb.DynamoDbException"})
TRANSIENT = frozenset({"TransientError"})
LOST = frozenset({"StagingError", "ReconciliationError"})  # the latter if a chunk's only line is lost
KINDS: dict[str, frozenset[str]] = {
    "dynamodb throttled": TRANSIENT,
    "dynamodb 5xx": TRANSIENT,
    "dynamodb reset": TRANSIENT,
    "dynamodb cut body": TRANSIENT,
    "dynamodb wrong checksum": TRANSIENT,
    "dynamodb empty page": frozenset(),
    "dynamodb expired token": TRANSIENT,
    "s3 slow down": TRANSIENT,
    "s3 500": TRANSIENT,
    "s3 part failed": TRANSIENT,
    "s3 completion failed": TRANSIENT,
    "s3 read cut": TRANSIENT,
    "s3 object lost": LOST,
    "lambda failed before": LAMBDA_ERRORS | DYNAMODB_ERRORS,
    "lambda answer lost": LAMBDA_ERRORS,
    "lambda out of time": frozenset({"Lambda.Unknown", "States.Timeout", "DeadlineError"}),
    "lambda twice, first last": LAMBDA_ERRORS,
    "postgres refused": frozenset({"DatabaseConnectionError"}),
    "postgres killed in copy": TRANSIENT,
    "postgres killed in placing": TRANSIENT,
    "postgres killed at commit": TRANSIENT,
    "postgres restarted": TRANSIENT | {"DatabaseConnectionError"},
    "postgres password rotated": frozenset({"DatabaseAuthenticationError"}),
    "postgres lock held": frozenset({"LockTimeoutError"}),
    "postgres deadlock": TRANSIENT | {"LockTimeoutError"},
    "postgres slow": frozenset(),
    "postgres statement timeout": frozenset({"DatabaseError", "DatabaseTimeoutError"}),
    "postgres build ended": frozenset({"DatabaseError", "DatabaseTimeoutError"}),
    "postgres old snapshot": frozenset({"LockTimeoutError"}),
    "states sibling failed": frozenset({"Lambda.Unknown"}),
    "states stopped by hand": frozenset({""}),
    "overlap two runs": frozenset({"StaleRunError"}),
    "overlap two loads": frozenset(),
    "overlap old run redriven": frozenset({"StaleRunError", "Lambda.Unknown"}),
    "overlap rollback": frozenset({"RunRolledBackError", "Lambda.Unknown"}),
}


class Injector:
    """The faults of a schedule; `take` returns the fault to inject at a place now."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = faults
        self.armed = False
        self.injected: Counter[str] = Counter()
        self.passed: set[str] = set()  # places
        self._seen: Counter[int] = Counter()
        self._lock = Lock()

    def take(self, place: str) -> Fault | None:
        """Return the fault to inject here and now; faults of one place take turns."""
        if not self.armed:
            return None
        with self._lock:
            self.passed.add(place)
            for number, fault in enumerate(self.faults):
                if fault.place != place:
                    continue
                self._seen[number] += 1
                if self._seen[number] <= fault.skip or self._seen[number] > fault.skip + fault.times:
                    continue
                self.injected[fault.kind] += 1
                return fault
        return None

    def allowed(self) -> set[str]:
        """Return the errors that the faults injected so far may cause."""
        return {error for kind in self.injected for error in KINDS[kind]}
