"""The warehouse's secrets from Secrets Manager, kept for some minutes by Powertools."""

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
    """A database user and its password, which no log record shows."""

    user: str
    password: str = field(repr=False)


def read_credentials(settings: PostgresSettings, *, renew: bool = False) -> Credentials:
    """Read the secret, JSON with `username` and `password`; `renew` passes over what is kept.

    Raises `ConfigurationError` naming the secret, `TransientError` if Secrets Manager was busy.
    """
    text = _read(settings.secret, renew=renew)
    try:
        secret: Any = json.loads(text)
    except ValueError:
        secret = None  # the error would carry the secret's text
    values = [secret.get(name) if isinstance(secret, dict) else None for name in ("username", "password")]
    user, password = values
    if not isinstance(user, str) or not isinstance(password, str) or not user or not password:
        raise ConfigurationError(f"{settings.secret}: expected a JSON object with username and password")
    return Credentials(user, password)


def read_tls_root(settings: PostgresSettings, *, renew: bool = False) -> str | None:
    """The PEM text of the certificate authority to trust; None for those of RDS.

    Raises as `read_credentials` does.
    """
    return _read(settings.tls_root_secret, renew=renew) if settings.tls_root_secret else None


@cache
def secrets() -> SecretsProvider:
    """Secrets Manager, with this project's timeouts and retries."""
    return SecretsProvider(boto3_client=clients.client("secretsmanager"))


def _read(secret: str, *, renew: bool = False) -> str:
    try:
        value = secrets().get(secret, max_age=_KEEP_SECONDS, force_fetch=renew)
    except GetParameterError as error:
        failure = error.__context__ or error  # Powertools names every failure the same
    else:
        if isinstance(value, str):
            return value
        raise ConfigurationError(f"{secret}: expected a secret of text, got binary")
    try:
        with clients.translate_errors(f"reading {secret}"):
            raise failure
    except (ClientError, BotoCoreError) as error:
        raise ConfigurationError(f"{secret}: {error}") from error
