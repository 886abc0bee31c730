"""TCP and TLS to PostgreSQL: always encrypted, chain and host name always verified."""

import contextlib
import socket
import ssl
import struct
from pathlib import Path

from demand_pipeline.errors import (
    ConfigurationError,
    DatabaseCertificateError,
    DatabaseConnectionError,
    TransientError,
)

_RDS_ROOTS = Path(__file__).parent / "certificates" / "rds-global-bundle.pem"

# PostgreSQL protocol 3.0, SSLRequest: length 8, then a code that is not a protocol version.
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_YES = b"S"

# With these, the loss of a server is detected within a minute, between statements and during one.
# They are names, because not every system supports each of them.
_TCP_OPTIONS = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 50_000}


def trust(root: str | None) -> ssl.SSLContext:
    """Return a context that trusts only `root` (PEM) or, without it, the RDS certificates of the layer.

    Raises ConfigurationError if `root` is not a PEM certificate.
    """
    if root is None:
        return ssl.create_default_context(cafile=_RDS_ROOTS)
    try:
        return ssl.create_default_context(cadata=root)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(f"the TLS root secret does not contain PEM certificates: {error}") from error


def open_tls(host: str, port: int, context: ssl.SSLContext, seconds: float) -> ssl.SSLSocket:
    """Connect and encrypt, each step within `seconds`.

    Raises DatabaseConnectionError if no server answers, DatabaseCertificateError if it is not the
    expected host, TransientError if the connection breaks.
    """
    try:
        plain = socket.create_connection((host, port), seconds)
    except (OSError, UnicodeError) as error:  # an invalid host name fails to encode
        raise DatabaseConnectionError(f"{host}:{port}: {error}") from error
    try:
        # Without it, the end of a COPY waits 40 ms until the server acknowledges the data sent before.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP_OPTIONS.items():
            if hasattr(socket, name):
                plain.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return _start_tls(plain, host, context)
    except ssl.SSLCertVerificationError as error:
        raise DatabaseCertificateError(f"{host}:{port}: {error.verify_message}") from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise TransientError(f"{host}:{port}: connection closed in the TLS handshake") from error
    except ssl.SSLError as error:
        raise DatabaseCertificateError(f"{host}:{port}: the TLS handshake failed: {error.reason}") from error
    except OSError as error:
        raise TransientError(f"{host}:{port}: {error}") from error
    finally:
        plain.close()  # on success the TLS socket has its own descriptor


def _start_tls(plain: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain.sendall(_SSL_REQUEST)
    answer = plain.recv(1)  # one byte only, so that injected data after it stays outside of the TLS session
    if not answer:
        raise ConnectionResetError("connection closed before TLS")
    if answer != _YES:
        raise DatabaseCertificateError(f"{host}: the server does not support TLS")
    return context.wrap_socket(plain, server_hostname=host)


def is_lost(connection: ssl.SSLSocket) -> bool:
    """Whether the other side has closed the connection."""
    timeout = connection.gettimeout()
    try:
        connection.settimeout(0)
        return connection.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except (OSError, ValueError):
        return True
    finally:
        with contextlib.suppress(OSError):
            connection.settimeout(timeout)


def hang_up(connection: ssl.SSLSocket) -> None:
    """Close the socket at once: `close` alone waits until all files created from it are closed."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
    descriptor = connection.detach()
    if descriptor >= 0:
        socket.close(descriptor)
