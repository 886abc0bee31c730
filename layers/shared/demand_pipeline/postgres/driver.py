"""pg8000, with whatever it lacks: logins of any user and password, and the last words of a server."""

import contextlib
from collections.abc import Mapping
from typing import Any

import pg8000.native
import scramp
from pg8000 import core
from scramp.utils import saslprep

_SASL = (10).to_bytes(4)  # PostgreSQL's protocol: AuthenticationSASL
_LAST_WORDS_SECONDS = 1.0
_ANYBODY = b"-", b"-"  # PostgreSQL knows the user from the message before


class Driver(pg8000.native.Connection):  # type: ignore[misc]  # pg8000 has no types
    """A connection that takes passwords that SASLprep (RFC 4013) refuses, by their bytes, as libpq and the server do.

    pg8000 would give up, and for the name of such a user, too. It also forgets what the server has said last if nothing
    follows it.
    """

    user: bytes
    password: bytes
    fatal: Mapping[str, str] | None = None

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:  # noqa: N802 - pg8000's
        """Answer the server; the first message of SCRAM does not depend on the password."""
        if data[:4] != _SASL:
            super().handle_AUTHENTICATION_REQUEST(data, context)
            return
        login = self.user, self.password
        self.user, self.password = _ANYBODY
        super().handle_AUTHENTICATION_REQUEST(data, context)
        self.user, self.password = login
        self.auth.password = _prepared(self.password)

    def handle_ERROR_RESPONSE(self, data: bytes, context: core.Context) -> None:  # noqa: N802 - pg8000's
        """Keep what ends the session."""
        super().handle_ERROR_RESPONSE(data, context)
        fields = context.error.args[0]
        if fields.get("V") in ("FATAL", "PANIC"):
            self.fatal = fields

    def last_words(self) -> Mapping[str, str] | None:
        """The fields of the error with which the server has ended the session; None without one."""
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
