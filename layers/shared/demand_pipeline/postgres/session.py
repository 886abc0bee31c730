"""Opens sessions with the warehouse, using settings and secrets."""

from demand_pipeline.errors import (
    ConfigurationError,
    DatabaseAuthenticationError,
    DatabaseCertificateError,
    DatabaseConnectionError,
)
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection, Timeouts, connect
from demand_pipeline.postgres.credentials import read_credentials, read_tls_root
from demand_pipeline.postgres.network import trust
from demand_pipeline.postgres.statements import Statements
from demand_pipeline.settings import PostgresSettings

statement = Statements(__package__)

_KEPT_SECRETS_MAY_BE_WHY = (ConfigurationError, DatabaseAuthenticationError, DatabaseCertificateError)


def open_session(
    settings: PostgresSettings, run: str, timeouts: Timeouts, *, writes: bool = True, renew: bool = False
) -> Connection:
    """Connect as the secret's user.

    A secret that is unusable or rejected is read again once: the cached one may have been rotated or corrected.
    `run` names the session in `pg_stat_activity`. `renew` bypasses the cache of secrets. Raises the errors of `connect`
    and `read_credentials`; for a session that writes, also DatabaseConnectionError if the server is a standby, as it
    may be for a while after a failover.
    """
    connection = _connect(settings, run, timeouts, renew=renew)
    if writes and connection.facts.is_standby:
        connection.close()
        raise DatabaseConnectionError(f"{settings.host}:{settings.port}: the server is a standby, which cannot write")
    return connection


def refuse_shared_sessions(connection: Connection, settings: PostgresSettings) -> None:
    """Raise ConfigurationError if a pooler may use a different session of the server for each transaction.

    Settings and locks of a session would then apply to other clients. A pooler picks the session that was used last, or
    first: so either a second client gets the same session, or this client gets a different one.
    """
    if not connection.is_pooled:
        return
    mine = {connection.facts.backend, _backend(connection)}
    with _connect(settings, "another client", Timeouts()) as other:
        mine.add(_backend(connection))
        theirs = {other.facts.backend, _backend(other)}
    if len(mine) > 1 or mine & theirs:
        found = f"process ids {sorted(mine)} for one client, {sorted(theirs)} for another"
        raise ConfigurationError(
            f"{settings.host}:{settings.port}: a load needs its own session of the server, but this is a pooler in "
            f"transaction mode ({found}); set the server itself, or a pool in session mode (docs/deploy.md)"
        )


def _connect(settings: PostgresSettings, run: str, timeouts: Timeouts, *, renew: bool = False) -> Connection:
    try:
        return _connect_with(settings, run, timeouts, renew=renew)
    except _KEPT_SECRETS_MAY_BE_WHY as error:
        if renew:
            raise
        logger.warning("connection refused, reading the secrets again", extra={"error": type(error).__name__})
    return _connect_with(settings, run, timeouts, renew=True)


def _connect_with(settings: PostgresSettings, run: str, timeouts: Timeouts, *, renew: bool) -> Connection:
    context = trust(read_tls_root(settings, renew=renew))
    return connect(settings, read_credentials(settings, renew=renew), context, f"demand-pipeline {run}", timeouts)


def _backend(connection: Connection) -> int:
    [[backend]] = connection.query(statement("backend"))
    return int(backend)
