"""Errors of commands: one line for people, and a hint on how to continue."""

import os
import re
from typing import Any

from botocore import exceptions as aws

from demand.permissions import COMMANDS
from demand_pipeline.cures import cure_of_question

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_REFUSED = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidSignatureException", "SignatureDoesNotMatch"}
)
_FAILURES: tuple[tuple[tuple[type[Exception], ...], str, str, str], ...] = (
    (
        (aws.NoCredentialsError, aws.CredentialRetrievalError, aws.PartialCredentialsError),
        "NoCredentials",
        "no AWS credentials: ",
        "aws sso login, or set AWS_PROFILE",
    ),
    ((aws.SSOError, aws.TokenRetrievalError), "ExpiredCredentials", "the AWS login has expired: ", "aws sso login"),
    ((aws.ProfileNotFound,), "UnknownProfile", "", "aws configure list-profiles"),
    ((aws.NoRegionError,), "NoRegion", "no AWS region: ", "--region, DEMAND_REGION, AWS_REGION or samconfig.toml"),
    (
        (aws.HTTPClientError, aws.ConnectionError),
        "NoConnection",
        "cannot reach AWS: ",
        "check the network and the endpoint",
    ),
    ((aws.BotoCoreError,), "Aws", "", ""),
)
_OLD_ENDPOINT = "for the local stack, make demo and source .local/env again; otherwise unset AWS_ENDPOINT_URL"
_ACTIONS = {
    permission.action.partition(":")[2]: permission.action for needed in COMMANDS.values() for permission in needed
} | {"Invoke": "lambda:InvokeFunction", "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration"}
_ACTION = re.compile(r"not authorized to perform:? ([\w-]+:\w+)")


class DemandError(Exception):
    """A command's failure: `kind` for programs, one line for people, and a `hint` on how to fix it."""

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint


class UsageError(DemandError):
    """An argument is wrong: the message names it, its value and what was expected."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__("Usage", message, hint)


def named_error(name: str, message: str) -> DemandError:
    """Return the error of an operator's question, from a function or the library, with its cure."""
    return DemandError(name, f"{name}: {message}", cure_of_question(name).action.replace("`", ""))


def from_aws(error: Exception) -> DemandError | None:
    """Translate a failure of boto3 to a command's error; None for any other exception."""
    if isinstance(error, aws.ClientError):
        return _refusal(error)
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and isinstance(error, aws.HTTPClientError | aws.ConnectionError):
        message = f"cannot reach AWS_ENDPOINT_URL {endpoint}: {_line(error)}"
        return DemandError("NoConnection", message, _OLD_ENDPOINT)
    for classes, kind, message, hint in _FAILURES:
        if isinstance(error, classes):
            return DemandError(kind, message + _line(error), hint)
    return None


def is_denied(error: aws.ClientError) -> bool:
    """Whether the user lacks a permission."""
    return error_code(error) in _DENIED


def error_code(error: aws.ClientError) -> str:
    """Return AWS's error code, such as `ExecutionDoesNotExist`."""
    return str(_details(error).get("Code", ""))


def error_message(error: aws.ClientError) -> str:
    """Return AWS's message, in one line."""
    return " ".join(str(_details(error).get("Message", "")).split())


def _refusal(error: aws.ClientError) -> DemandError:
    code, message = error_code(error), error_message(error)
    if is_denied(error):
        named = _ACTION.search(message)
        action = named[1] if named else _ACTIONS.get(error.operation_name, error.operation_name)
        hint = "docs/demand.md lists the permissions of each command"
        return DemandError("AccessDenied", f"missing permission {action}: {message}", hint)
    if code in _EXPIRED:
        return DemandError(
            "ExpiredCredentials", f"the AWS credentials have expired ({error.operation_name})", "log in again"
        )
    if code in _REFUSED:
        return DemandError("InvalidCredentials", f"AWS rejected these credentials: {message}", "check AWS_PROFILE")
    return DemandError(code or "Aws", f"{error.operation_name}: {message or code}")


def _details(error: aws.ClientError) -> dict[str, Any]:
    return dict(error.response.get("Error", {}))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
