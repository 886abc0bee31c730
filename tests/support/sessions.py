"""Kept sessions of the superuser: a statement takes a tenth of a millisecond, a psql process thirty."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from local.postgres import PostgresError, PostgresServer


class Sessions:
    """Sessions in the server's database: one for each thread that runs SQL at the same time."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._idle: list[psycopg.Connection] = []

    def execute(self, sql: str) -> str:
        """Run SQL in a session as good as new, and return its rows as psql writes them; raises PostgresError.

        psql runs its own commands, and what PostgreSQL refuses in a transaction: statements that are sent together are one.
        """
        if "\\" in sql:
            return self._server.execute(sql, admin=True)
        with self._session() as session:
            try:
                return "\n".join(_lines(session.execute(sql.encode())))
            except psycopg.errors.ActiveSqlTransaction:
                return self._server.execute(sql, admin=True)
            except psycopg.Error as error:
                raise PostgresError(str(error)) from error

    def close(self) -> None:
        """End the sessions that are kept."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection]:
        session = self._kept() or self._open()
        try:
            yield session
        finally:
            if _renewed(session):
                self._idle.append(session)

    def _kept(self) -> psycopg.Connection | None:
        """A session that neither a restart of the server nor a test has ended."""
        while self._idle:
            if _renewed(session := self._idle.pop()):
                return session
        return None

    def _open(self) -> psycopg.Connection:
        server = self._server
        return psycopg.connect(
            host=server.host,
            port=server.port,
            dbname=server.database,
            user=server.admin,
            password=server.admin_password,
            sslmode="verify-full",
            sslrootcert=str(server.ca_path),
            autocommit=True,
            prepare_threshold=None,  # DISCARD ALL gives up prepared statements too
            options="-c default_transaction_read_only=off",  # a test's default for new sessions
        )


def _renewed(session: psycopg.Connection) -> bool:
    """Give up everything that a session can keep, as its end would; a broken session is closed."""
    try:
        if session.info.transaction_status != TransactionStatus.IDLE:
            session.rollback()
        session.execute("DISCARD ALL")
    except psycopg.Error:
        session.close()
        return False
    return True


def _lines(cursor: psycopg.Cursor[Any]) -> Iterator[str]:
    """The rows of all statements: columns separated by `|`, null as nothing."""
    for _ in cursor.results():
        if cursor.description and (result := cursor.pgresult):
            for row in range(result.ntuples):
                cells = [result.get_value(row, column) or b"" for column in range(result.nfields)]
                yield b"|".join(cells).decode()
