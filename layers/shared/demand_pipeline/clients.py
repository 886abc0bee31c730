"""boto3 clients with this project's timeouts and retries, and their failures as this project's errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import urllib3.exceptions
from botocore.config import Config
from botocore.exceptions import (
    ChecksumError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's class is not an OSError
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)

from demand_pipeline.deadline import ATTEMPT_SECONDS, CONNECT_SECONDS, READ_SECONDS, Deadline
from demand_pipeline.errors import TransientError

# Without a deadline, a few attempts must do: they end long before a function's time limit.
_ATTEMPTS = 8
_ATTEMPTS_WITHOUT_DEADLINE = 3

# Error codes of DynamoDB, S3 and Secrets Manager that mean "not now"; server errors (5xx) mean the same.
# An expired token is one of them: the next invocation gets new credentials.
_NOT_NOW = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalServerError",
        "LimitExceededException",
        "NoSuchUpload",  # completed by an attempt whose answer was lost, or removed: a fresh attempt starts its own
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_SERVER_ERROR = 500

# A connection refused, broken or silent, or an incomplete body.
_BROKEN = (
    ChecksumError,
    ConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    urllib3.exceptions.HTTPError,
)


class OutOfTimeError(Exception):
    """An attempt at a call could outlive the function."""


def client(service: str, deadline: Deadline | None = None) -> Any:
    """Return a boto3 client whose calls end before the function's time limit, retries included.

    AWS answers a request for a page or a part within seconds, so ten seconds of silence mean a dead connection.
    botocore retries while there is time for another attempt. Calls at a function's start need no deadline; they get
    three attempts.
    """
    make: Any = boto3.client  # its stubs accept literal service names only
    attempts = _ATTEMPTS_WITHOUT_DEADLINE if deadline is None else _ATTEMPTS
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        tcp_keepalive=True,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    made = make(service, config=config)
    if deadline is not None:

        def check_time(**_: Any) -> None:
            """Handle botocore's `before-send` event: an exception raised here ends the call and is not retried."""
            if not deadline.allows_attempt():
                raise OutOfTimeError(
                    f"no time for another attempt, less than {ATTEMPT_SECONDS:g} s before the function's time limit"
                )

        made.meta.events.register_first("before-send", check_time)
    return made


def error_code(error: ClientError) -> str:
    """Return AWS's error code, such as `NoSuchKey`."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Raise `TransientError` for a failure that is transient; re-raise every other one.

    boto3 has already retried by then; only a fresh attempt of the whole state can help.
    """
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if error_code(error) in _NOT_NOW or status >= _SERVER_ERROR:
            raise TransientError(f"{doing}: {error_code(error)}") from error
        raise
    except _BROKEN as error:
        raise TransientError(f"{doing}: {type(error).__name__}") from error
    except OutOfTimeError as error:
        raise TransientError(f"{doing}: {error}") from error
