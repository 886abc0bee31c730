"""Findings, and how a check that cannot run becomes one."""

from collections.abc import Callable, Iterator

from botocore.exceptions import BotoCoreError, ClientError

from demand.errors import DemandError, error_code, from_aws
from demand_pipeline.contracts.operating.check import Finding, State

# Errors of an emulator or an older region for an unknown call.
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
    """A finding of state OK."""
    return Finding(subject, State.OK, message)


def warning(subject: str, message: str, action: str) -> Finding:
    """A finding about a run that works, but not as intended."""
    return Finding(subject, State.WARNING, message, action)


def failure(subject: str, message: str, action: str) -> Finding:
    """A finding because of which a run would fail."""
    return Finding(subject, State.FAILURE, message, action)


def skipped(subject: str, message: str) -> Finding:
    """A finding about a check that could not run."""
    return Finding(subject, State.SKIPPED, message)


def made(subject: str, check: Check) -> Iterator[Finding]:
    """Yield a check's findings. A denied or unsupported call is skipped; other errors are failures."""
    try:
        yield from check()
    except ClientError as error:
        described = from_aws(error) or DemandError("Aws", str(error))
        if described.kind == "AccessDenied":
            yield skipped(subject, described.message)
        elif error_code(error) in _UNKNOWN or error_code(error).isdigit():  # AWS names its errors
            yield skipped(subject, f"not supported here: {described.message}")
        else:
            yield failure(subject, described.message, described.hint or "see the message")
    except (BotoCoreError, DemandError) as error:
        found = error if isinstance(error, DemandError) else from_aws(error) or DemandError("Aws", str(error))
        yield failure(subject, found.message, found.hint or "see the message")
