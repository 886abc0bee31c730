"""Extends pg8000: logins with any user and password, and the server's last error."""

import contextlib
from collections.abc import Mapping
from typing import Any

import pg8000.native
import scramp
from pg8000 import core
from scramp.utils import saslprep

_SASL = (10).to_bytes(4)  # PostgreSQL's protocol: AuthenticationSASL
_LAST_WORDS_SECONDS = 1.0
_ANYBODY = b"-", b"-"  # PostgreSQL takes the user from the earlier startup message


class Driver(pg8000.native.Connection):  # type: ignore[misc]  # pg8000 has no types
    """A connection that accepts passwords that SASLprep (RFC 4013) refuses: it uses their bytes, like libpq.

    pg8000 would fail, also for a user name that SASLprep refuses. It would also drop the server's last error if no
    other message follows it.
    """

    user: bytes
    password: bytes
    fatal: Mapping[str, str] | None = None

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:  # noqa: N802 - pg8000's
        """Answer the server's request; the first message of SCRAM does not depend on the password."""
        if data[:4] != _SASL:
            super().handle_AUTHENTICATION_REQUEST(data, context)
            return
        login = self.user, self.password
        self.user, self.password = _ANYBODY
        super().handle_AUTHENTICATION_REQUEST(data, context)
        self.user, self.password = login
        self.auth.password = _prepared(self.password)

    def handle_ERROR_RESPONSE(self, data: bytes, context: core.Context) -> None:  # noqa: N802 - pg8000's
        """Keep the error that ends the session."""
        super().handle_ERROR_RESPONSE(data, context)
        fields = context.error.args[0]
        if fields.get("V") in ("FATAL", "PANIC"):
            self.fatal = fields

    def last_words(self) -> Mapping[str, str] | None:
        """Return the fields of the error with which the server ended the session; None without one."""
        if self.fatal is None:
            with contextlib.suppress(Exception):
                self._usock.settimeout(_LAST_WORDS_SECONDS)
                self.handle_messages(core.Context(None))
        return self.fatal


def _prepared(password: bytes) -> bytes:
    try:
        return str(saslprep(password.decode())).encode() or password
    except scramp.ScramException:
        return password
