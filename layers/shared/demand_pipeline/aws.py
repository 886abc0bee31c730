"""boto3 clients as this project wants them, and what their failures mean here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import urllib3.exceptions
from botocore.config import Config
from botocore.exceptions import (
    ChecksumError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, which is no OSError
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)

from demand_pipeline.errors import TransientError

# A page or a part is answered within seconds; a minute of silence is a dead connection.
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    tcp_keepalive=True,
    retries={"mode": "standard", "total_max_attempts": 8},
)

# DynamoDB's, S3's and Secrets Manager's error codes that mean "not now"; server errors (5xx) mean it too.
# An expired token belongs to them: the next invocation has new credentials.
_NOT_NOW = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalServerError",
        "LimitExceededException",
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

# A connection refused, broken or silent, or a body that did not arrive whole.
_BROKEN = (
    ChecksumError,
    ConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    urllib3.exceptions.HTTPError,
)


def client(service: str) -> Any:
    """A boto3 client with this project's timeouts and retries."""
    make: Any = boto3.client  # its stubs know every service by name only
    return make(service, config=_CONFIG)


def error_code(error: ClientError) -> str:
    """AWS's name for what went wrong, such as `NoSuchKey`."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def failures_named(doing: str) -> Iterator[None]:
    """Raise `TransientError` for a failure that may pass by itself; let every other one through.

    boto3 has retried already by then; a fresh attempt of the whole state is what is left.
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
