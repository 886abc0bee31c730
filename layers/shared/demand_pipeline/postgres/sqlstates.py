"""What PostgreSQL's error codes mean here (its manual, appendix A)."""

from collections.abc import Mapping

from demand_pipeline.errors import (
    DatabaseAuthenticationError,
    DatabaseDataError,
    DatabaseError,
    DatabasePrivilegeError,
    DatabaseTimeoutError,
    DiskFullError,
    DuplicateKeyError,
    LockTimeoutError,
    MissingTableError,
    PipelineError,
    TransientError,
)

# Whole codes, also with the schema that the error is about, or classes (the first two characters).
_ERRORS: dict[str, type[PipelineError]] = {
    "08": TransientError,  # connection exception
    "22": DatabaseDataError,  # data exception
    "23505": DuplicateKeyError,  # unique_violation
    "23505 pg_catalog": TransientError,  # somebody else has created a table or schema of the same name meanwhile
    "25P03": TransientError,  # idle_in_transaction_session_timeout: this side was too slow, once
    "28000": DatabaseAuthenticationError,  # invalid_authorization_specification
    "28P01": DatabaseAuthenticationError,  # invalid_password
    "40001": TransientError,  # serialization_failure
    "40P01": TransientError,  # deadlock_detected
    "42P01": MissingTableError,  # undefined_table
    "42501": DatabasePrivilegeError,  # insufficient_privilege
    "53100": DiskFullError,  # disk_full
    "53300": TransientError,  # too_many_connections
    "55P03": LockTimeoutError,  # lock_not_available
    "57014": DatabaseTimeoutError,  # query_canceled
    "57P01": TransientError,  # admin_shutdown
    "57P02": TransientError,  # crash_shutdown
    "57P03": TransientError,  # cannot_connect_now: it is starting
    "57P05": TransientError,  # idle_session_timeout
}

# Classes whose primary message holds names and settings, never a row's values. Detail, hint and
# context are left out always: COPY quotes the line, a constraint the row, and both are items.
_MESSAGES_WITHOUT_DATA = frozenset({"08", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"})

_ADVICE = {
    "53300": "; LoadConcurrency functions copy at once, each with a connection: lower it or raise max_connections"
}

_NAMES = (("s", "schema"), ("t", "table"), ("c", "column"), ("n", "constraint"))


def failure(fields: Mapping[str, str]) -> PipelineError:
    """The error for what the server answered, from an ErrorResponse's fields by their protocol letters."""
    code = fields.get("C", "")
    error = _ERRORS.get(f"{code} {fields.get('s')}") or _ERRORS.get(code) or _ERRORS.get(code[:2]) or DatabaseError
    where = ", ".join([f"{name} {fields[letter]}" for letter, name in _NAMES if letter in fields])
    message = fields.get("M", "") if code[:2] in _MESSAGES_WITHOUT_DATA else "message withheld, it may quote an item"
    return error(f"SQLSTATE {code}: {message}" + (f" ({where})" if where else "") + _ADVICE.get(code, ""))
