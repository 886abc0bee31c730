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

# PostgreSQL protocol 3.0, SSLRequest: length 8, then a number that is no protocol version.
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_YES = b"S"

# A server that is gone is noticed within a minute, between statements and during one.
# Names, because not every system has each of them.
_TCP_OPTIONS = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 50_000}


def trust(root: str | None) -> ssl.SSLContext:
    """A context that trusts `root` (PEM) alone, or the RDS certificates of the layer.

    Raises ConfigurationError if `root` is no PEM certificate.
    """
    if root is None:
        return ssl.create_default_context(cafile=_RDS_ROOTS)
    try:
        return ssl.create_default_context(cadata=root)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(f"the TLS root secret: expected certificates in PEM, got {error}") from error


def open_tls(host: str, port: int, context: ssl.SSLContext, seconds: float) -> ssl.SSLSocket:
    """Connect and encrypt, each step within `seconds`.

    Raises DatabaseConnectionError if nobody answers there, DatabaseCertificateError if it is not the
    expected host, TransientError if the connection breaks.
    """
    try:
        plain = socket.create_connection((host, port), seconds)
    except (OSError, UnicodeError) as error:  # a name that cannot be one fails to encode
        raise DatabaseConnectionError(f"{host}:{port}: {error}") from error
    try:
        # Without it the end of a COPY waits until the server acknowledges what was sent before, which takes it 40 ms.
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
        raise DatabaseCertificateError(f"{host}:{port}: no TLS handshake, {error.reason}") from error
    except OSError as error:
        raise TransientError(f"{host}:{port}: {error}") from error
    finally:
        plain.close()  # on success the TLS socket has taken it over


def _start_tls(plain: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain.sendall(_SSL_REQUEST)
    answer = plain.recv(1)  # one byte: injected data behind it stays outside of the TLS session
    if not answer:
        raise ConnectionResetError("connection closed before TLS")
    if answer != _YES:
        raise DatabaseCertificateError(f"{host}: expected TLS, but the server offers none")
    return context.wrap_socket(plain, server_hostname=host)


def is_lost(connection: ssl.SSLSocket) -> bool:
    """Whether the other side has hung up."""
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
    """Close the socket at once: `close` alone waits until the last file made of it is closed."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
    descriptor = connection.detach()
    if descriptor >= 0:
        socket.close(descriptor)
