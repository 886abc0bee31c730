"""Reads the warehouse's secrets from Secrets Manager; Powertools caches them for some minutes."""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import BotoCoreError, ClientError

from demand_pipeline import clients
from demand_pipeline.errors import ConfigurationError
from demand_pipeline.settings import PostgresSettings

_KEEP_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Credentials:
    """A database user and its password; the password is not part of the representation, and so not logged."""

    user: str
    password: str = field(repr=False)


def read_credentials(settings: PostgresSettings, *, renew: bool = False) -> Credentials:
    """Read the secret, JSON with `username` and `password`; `renew` bypasses the cache.

    Raises `ConfigurationError`, which names the secret, or `TransientError` if Secrets Manager was busy.
    """
    text = _read(settings.secret, renew=renew)
    try:
        secret: Any = json.loads(text)
    except ValueError:
        secret = None  # the error would contain the secret's text
    values = [secret.get(name) if isinstance(secret, dict) else None for name in ("username", "password")]
    user, password = values
    if not isinstance(user, str) or not isinstance(password, str) or not user or not password:
        raise ConfigurationError(f"{settings.secret}: expected a JSON object with username and password")
    return Credentials(user, password)


def read_tls_root(settings: PostgresSettings, *, renew: bool = False) -> str | None:
    """Read the PEM text of the certificate authority to trust; None for the authorities of RDS.

    Raises the errors of `read_credentials`.
    """
    return _read(settings.tls_root_secret, renew=renew) if settings.tls_root_secret else None


@cache
def secrets() -> SecretsProvider:
    """Return the client for Secrets Manager, with this project's timeouts and retries."""
    return SecretsProvider(boto3_client=clients.client("secretsmanager"))


def _read(secret: str, *, renew: bool = False) -> str:
    try:
        value = secrets().get(secret, max_age=_KEEP_SECONDS, force_fetch=renew)
    except GetParameterError as error:
        failure = error.__context__ or error  # Powertools raises the same error for every failure
    else:
        if isinstance(value, str):
            return value
        raise ConfigurationError(f"{secret}: expected a text secret, found a binary one")
    try:
        with clients.translate_errors(f"reading {secret}"):
            raise failure
    except (ClientError, BotoCoreError) as error:
        raise ConfigurationError(f"{secret}: {error}") from error
