"""The functions' settings: frozen classes that are read from the environment inside a call, never at import."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from demand_pipeline.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class StagingSettings:
    """The settings of every function: the staging bucket."""

    bucket: str

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read `STAGING_BUCKET`; raises `ConfigurationError`."""
        return cls(bucket=_required(env, "STAGING_BUCKET"))


def stack_name(env: Mapping[str, str] = os.environ) -> str:
    """Read `STACK_NAME`, which distinguishes the metrics and logs of several stacks; raises `ConfigurationError`."""
    return _required(env, "STACK_NAME")


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """The location of the warehouse; an empty `tls_root_secret` means the RDS certificates of the layer."""

    host: str
    port: int
    database: str
    schema: str
    secret: str
    tls_root_secret: str

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read `POSTGRES_*`; raises `ConfigurationError`, which names the variable."""
        port = _required(env, "POSTGRES_PORT")
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004 - TCP's ports
            raise ConfigurationError(f"POSTGRES_PORT: expected a port number, got {port!r}")
        return cls(
            host=_required(env, "POSTGRES_HOST"),
            port=int(port),
            database=_required(env, "POSTGRES_DATABASE"),
            schema=_required(env, "POSTGRES_SCHEMA"),
            secret=_required(env, "POSTGRES_SECRET_ARN"),
            tls_root_secret=env.get("POSTGRES_TLS_ROOT_SECRET_ARN", ""),
        )


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise ConfigurationError(f"the environment variable {name} is missing or empty")
    return value
