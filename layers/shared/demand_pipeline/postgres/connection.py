"""Sessions, statements, COPY and the translation of errors. Only this module, `driver` and `frames` use pg8000."""

import contextlib
import ssl
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

import pg8000.core
import pg8000.native
import scramp

from demand_pipeline.errors import DatabaseAuthenticationError, PipelineError, TransientError
from demand_pipeline.postgres import network
from demand_pipeline.postgres.array_literal import array_literal
from demand_pipeline.postgres.credentials import Credentials
from demand_pipeline.postgres.driver import Driver
from demand_pipeline.postgres.frames import read_frames, write_frames
from demand_pipeline.postgres.others import Facts, runs_others_code
from demand_pipeline.postgres.sqlstates import failure
from demand_pipeline.postgres.statements import Sql, Statements
from demand_pipeline.settings import PostgresSettings

statement = Statements(__package__)

_APPLICATION_NAME_BYTES = 63

# Exceptions that pg8000 raises if it cannot parse the server's answer.
_CONFUSED = (struct.error, LookupError, AttributeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds.

    `connect` applies to each of name resolution, TCP, TLS and login; `lock` to each lock; `idle` to a client that
    keeps a transaction open and sends nothing.
    """

    connect: float = 10
    lock: float = 10
    statement: float = 900  # longer than a function's time limit
    idle: float = 50


class Sink(Protocol):
    """The target of a COPY."""

    def write(self, data: bytes, /) -> Any:
        """Write the next bytes."""


def connect(
    settings: PostgresSettings,
    credentials: Credentials,
    context: ssl.SSLContext,
    application_name: str,
    timeouts: Timeouts,
) -> "Connection":
    """Open a session: encrypted, verified, in UTC, with a limit for every wait.

    Raises DatabaseConnectionError, DatabaseCertificateError, DatabaseAuthenticationError,
    DatabasePrivilegeError, or TransientError if the server is starting, stopping or full.
    """
    sock = network.open_tls(settings.host, settings.port, context, timeouts.connect)
    try:
        driver = _named(
            sock,
            lambda: Driver(
                credentials.user,
                password=credentials.password,
                database=settings.database,
                application_name=application_name[:_APPLICATION_NAME_BYTES],
                sock=sock,
                ssl_context=False,  # the socket already uses TLS; None would mean "if the server supports it"
            ),
        )
        connection = Connection(driver, sock)
        set_up = statement(
            "session",
            statement_timeout=_milliseconds(timeouts.statement),
            lock_timeout=_milliseconds(timeouts.lock),
            idle_timeout=_milliseconds(timeouts.idle),
        )
        connection.facts = Facts(*connection.query(set_up)[-1])
        # The server itself ends a long statement; this limit is for a server that hangs.
        sock.settimeout(timeouts.statement + timeouts.connect)
    except BaseException:
        network.hang_up(sock)
        raise
    return connection


class Connection:
    """A session; leaving its `with` block closes it and rolls back uncommitted changes.

    Every method raises the errors of `sqlstates`, or TransientError if the connection broke. After
    any error outside of a savepoint, the connection can only be closed.
    """

    def __init__(self, driver: Driver, sock: ssl.SSLSocket) -> None:
        self._driver = driver
        self._sock = sock
        self._touched = -1
        self.facts = Facts()

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler is between this session and the server: a pooler sends its own backend key."""
        key: bytes | None = self._driver._backend_key_data  # noqa: SLF001
        return key is None or struct.unpack_from("!i", key) != (self.facts.backend,)

    def query(self, sql: str, **parameters: Any) -> list[list[Any]]:
        """Run one statement and return its rows; `:name` is a parameter, and a list is an array of any type.

        A statement that can run other people's code runs with the search_path that this code expects, in the same
        message if there are no parameters. An error resets the path together with the transaction or the savepoint.
        """
        # pg8000 does not quote the text "null" in an array, where it would become NULL.
        values = {name: _array(value) if isinstance(value, list) else value for name, value in parameters.items()}
        if not runs_others_code(sql):
            return self._run(sql, values)
        if not values:
            return self._run(sql, values, message=f"{self._their_path};\n{sql};\n{statement('our_path')}")
        with self._on_their_path():
            return self._run(sql, values)

    def execute(self, sql: str, **parameters: Any) -> int:
        """Run one statement, or several without parameters, and return the number of affected rows."""
        self.query(sql, **parameters)
        return self._touched

    def apply(self, composed: list[list[str]]) -> None:
        """Run statements that a query returned, one per row, in one message to the server."""
        if composed:
            self.execute(";\n".join([text for [text] in composed]))

    def copy_in(self, sql: str, blocks: Iterable[bytes]) -> int:
        """Run `COPY … FROM STDIN` with blocks that need not end at the end of a row; return the number of rows.

        Each block is one message: blocks of 64 KiB to 1 MiB are the fastest. An error of `blocks` is re-raised
        unchanged; pg8000 does not support CopyFail, so the connection can only be closed after it.
        """
        with self._on_their_path():
            self._run(sql, {}, caller=_Caller(blocks=blocks))
        return self._touched

    def copy_across(self, sql: str, source: Self, query: str) -> int:
        """Run `COPY … FROM STDIN` with the output of `COPY … TO STDOUT` in another session; return the number of rows.

        After an error, both connections can only be closed.
        """
        caller = _Caller(blocks=source.frames(query))
        with self._on_their_path():
            self._run(sql, {}, caller=caller, stream=write_frames(self._driver, caller))
        return self._touched

    def frames(self, sql: str) -> Iterator[bytes]:
        """Run `COPY … TO STDOUT` and yield its messages in blocks."""
        frames = read_frames(self._driver, sql)
        while (block := _named(self._sock, lambda: next(frames, None), self)) is not None:
            yield block

    def copy_out(self, sql: str, sink: Sink) -> None:
        """Run `COPY … TO STDOUT`; an error of `sink` is re-raised unchanged."""
        self._run(sql, {}, caller=_Caller(sink=sink))

    def _run(
        self,
        sql: str,
        values: Mapping[str, Any],
        *,
        message: str = "",
        caller: "_Caller | None" = None,
        stream: Iterator[bytes] | None = None,
    ) -> list[list[Any]]:
        """Run a statement as a separate message, or in the given one; COPY uses the stream or the caller."""
        call = partial(self._driver.run, message or sql, stream=stream or caller, **values)
        rows = _named(self._sock, call, self, caller, sql)
        self._touched = int(self._driver.row_count)
        return rows or []

    @property
    def _their_path(self) -> Sql:
        return statement("their_path", path=Sql(self.facts.path))

    @contextlib.contextmanager
    def _on_their_path(self) -> Iterator[None]:
        self._run(self._their_path, {})
        yield
        touched = self._touched
        self._run(statement("our_path"), {})
        self._touched = touched

    def last_words(self, *, broke: bool) -> Mapping[str, str] | None:
        """Return the fields of the error with which the server ended the session; read them if the connection broke."""
        return self._driver.last_words() if broke else self._driver.fatal

    def close(self) -> None:
        """End the session, whatever its state."""
        with contextlib.suppress(pg8000.native.Error, OSError, ValueError):
            self._sock.settimeout(1)  # for the closing message, which the server does not need
            self._driver.close()
        network.hang_up(self._sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Caller:
    """A caller's end of a COPY; it records the caller's error, to distinguish it from an error of the connection."""

    def __init__(self, blocks: Iterable[bytes] = (), sink: Sink | None = None) -> None:
        self._blocks = blocks
        self._sink = sink
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._blocks
        except Exception as error:
            self.error = error
            raise

    def write(self, data: bytes) -> None:
        try:
            if self._sink is not None:
                self._sink.write(data)
        except Exception as error:
            self.error = error
            raise


def _array(elements: list[Any]) -> str:
    return array_literal([None if element is None else str(element) for element in elements])


def _milliseconds(seconds: float) -> Sql:
    """Return a time for a setting of PostgreSQL; at least one, since zero would mean "no limit"."""
    return Sql(str(max(1, round(seconds * 1000))))


def _named[T](
    sock: ssl.SSLSocket,
    call: Callable[[], T],
    session: Connection | None = None,
    caller: _Caller | None = None,
    sql: str = "",
) -> T:
    """Call pg8000, and translate its errors.

    The `raise` is outside of the `except` block intentionally: pg8000's error contains detail and context,
    which quote items, and as `__context__` they would be logged.
    """
    error: PipelineError
    try:
        return call()
    except Exception as raised:
        if caller is not None and caller.error is not None:
            raise
        known = _known(raised, sock, session, sql)
        if known is None:
            raise
        error = known
    raise error


def _known(raised: Exception, sock: ssl.SSLSocket, session: Connection | None, sql: str) -> PipelineError | None:
    """Translate an error of pg8000; None for a bug in our code, which is re-raised."""
    broke = isinstance(raised, OSError) or isinstance(raised.__cause__, OSError)
    fields = _fields(raised)
    if fields is None and session is not None:
        fields = session.last_words(broke=broke)
    if fields is not None:
        return failure(fields, sql, session.facts.explain(fields) if session else "")
    if isinstance(raised, scramp.ScramException):
        return DatabaseAuthenticationError("SCRAM authentication with this server failed")
    # InterfaceError means either a network fault, with an OSError or a lost socket, or a bug in our code.
    if broke or network.is_lost(sock):
        return TransientError(f"the connection to PostgreSQL broke: {type(raised.__cause__ or raised).__name__}")
    if isinstance(raised, _CONFUSED):
        return TransientError(f"PostgreSQL sent an answer that cannot be parsed: {type(raised)}")
    return None


def _fields(raised: Exception) -> Mapping[str, str] | None:
    """Return the fields of the server's error, if there is one."""
    # pg8000 closes a refused connection. If closing fails too, the server's error is only in `__context__`.
    current: BaseException | None = raised
    while current is not None:
        if isinstance(current, pg8000.native.DatabaseError):
            fields: Mapping[str, str] = current.args[0]
            return fields
        current = current.__context__
    return None
