"""What was found, and how a check that cannot be made becomes a finding too."""

from collections.abc import Callable, Iterator

from botocore.exceptions import BotoCoreError, ClientError

from demand.errors import DemandError, error_code, from_aws
from demand_pipeline.contracts.operating.check import Finding, State

# What an emulator or an older region answers to a call that it does not know.
_UNKNOWN = frozenset(
    {
        "InvalidAction",
        "NotImplemented",
        "UnknownOperation",
        "UnknownOperationException",
        "UnsupportedOperation",
    }
)

type Check = Callable[[], Iterator[Finding]]


def ok(subject: str, message: str) -> Finding:
    """As it should be."""
    return Finding(subject, State.OK, message)


def warning(subject: str, message: str, action: str) -> Finding:
    """A run works, but not as it should."""
    return Finding(subject, State.WARNING, message, action)


def failure(subject: str, message: str, action: str) -> Finding:
    """A run would fail."""
    return Finding(subject, State.FAILURE, message, action)


def skipped(subject: str, message: str) -> Finding:
    """It could not be looked at."""
    return Finding(subject, State.SKIPPED, message)


def made(subject: str, check: Check) -> Iterator[Finding]:
    """A check's findings. What the user may not ask, or nobody answers here, is skipped; other errors are failures."""
    try:
        yield from check()
    except ClientError as error:
        described = from_aws(error) or DemandError("Aws", str(error))
        if described.kind == "AccessDenied":
            yield skipped(subject, described.message)
        elif error_code(error) in _UNKNOWN or error_code(error).isdigit():  # AWS names its errors
            yield skipped(subject, f"not known here: {described.message}")
        else:
            yield failure(subject, described.message, described.hint or "see the message")
    except (BotoCoreError, DemandError) as error:
        found = error if isinstance(error, DemandError) else from_aws(error) or DemandError("Aws", str(error))
        yield failure(subject, found.message, found.hint or "see the message")
