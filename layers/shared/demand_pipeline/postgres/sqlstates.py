"""Maps PostgreSQL's error codes (its manual, appendix A) to this project's errors."""

import re
from collections.abc import Mapping

from demand_pipeline.errors import (
    DatabaseAuthenticationError,
    DatabaseConnectionError,
    DatabaseDataError,
    DatabaseError,
    DatabasePrivilegeError,
    DatabaseTimeoutError,
    DiskFullError,
    DuplicateKeyError,
    LockTimeoutError,
    MissingTableError,
    PipelineError,
    RefusedRowError,
    TransientError,
)

# Whole codes, optionally with the schema of the error, or classes (the first two characters).
_ERRORS: dict[str, type[PipelineError]] = {
    "08": TransientError,  # connection exception
    "22": DatabaseDataError,  # data exception
    "23": RefusedRowError,  # integrity constraint violation
    "23505": DuplicateKeyError,  # unique_violation
    "23505 pg_catalog": TransientError,  # another session has just created a table or schema with the same name
    "25006": DatabaseConnectionError,  # read_only_sql_transaction: a standby
    "25P03": TransientError,  # idle_in_transaction_session_timeout: the function paused for too long
    "25P04": DatabaseTimeoutError,  # transaction_timeout
    "28000": DatabaseAuthenticationError,  # invalid_authorization_specification
    "28P01": DatabaseAuthenticationError,  # invalid_password
    "40001": TransientError,  # serialization_failure
    "40P01": TransientError,  # deadlock_detected
    "42P01": MissingTableError,  # undefined_table
    "42501": DatabasePrivilegeError,  # insufficient_privilege
    "53100": DiskFullError,  # disk_full
    "53300": TransientError,  # too_many_connections
    "54000": RefusedRowError,  # program_limit_exceeded, such as by an entry of an index
    "55P03": LockTimeoutError,  # lock_not_available
    "57014": DatabaseTimeoutError,  # query_canceled
    "57P01": TransientError,  # admin_shutdown
    "57P02": TransientError,  # crash_shutdown
    "57P03": TransientError,  # cannot_connect_now: the server is starting
    "57P05": TransientError,  # idle_session_timeout
}

# Whole codes, or classes, whose primary message quotes names, types and settings, but never a row's values, according
# to the templates in PostgreSQL's source. Every other message is withheld: most of class 22 ("invalid input syntax for
# type bigint: …"), 38 and HV (any text of a function or another server), XX000 (anything), P0001 and P0004 (a person's
# text). Detail, hint and context are always left out: COPY quotes the line, a constraint the row, and both are items.
_MESSAGES_WITHOUT_DATA = frozenset(
    {
        "08",  # connection
        "09",  # triggered action
        "0A",  # not supported: the table or the feature
        "0B",  # transaction initiation
        "0L",  # grantor: roles
        "0P",  # role specification: roles
        "21",  # cardinality: the kind of statement
        "22001",  # "value too long for type character varying(3)": the type, without the value
        "22012",  # "division by zero"
        "23",  # constraint: table, column and constraint; the row is in the detail
        "24",  # cursor state
        "25",  # transaction state
        "26",  # statement name
        "27",  # triggered data change
        "28",  # authorization: roles and databases
        "2B",  # dependent objects or privileges: the object
        "2D",  # transaction termination
        "34",  # cursor name
        "39P",  # protocol of triggers: the function
        "3B",  # savepoint
        "3D",  # catalog name
        "3F",  # schema name
        "40",  # transaction rollback
        "42",  # syntax or access rule: tables, columns, functions
        "44",  # check option: the view
        "53",  # insufficient resources
        "54",  # limits: the index and sizes
        "55",  # object not in the required state
        "57",  # operator intervention
        "58",  # system: files
        "XX001",  # corrupted data: blocks
        "XX002",  # corrupted index: its name
    }
)

# Source files of PL/pgSQL and other procedural languages: their messages may quote a row, whatever the code.
_PROCEDURAL = re.compile(r"pl(?!an|aceholder)")

# Statements that read no row, so that a message of an event trigger in one of them cannot quote a row.
_DDL = re.compile(
    r"(?:ALTER|COMMENT|CREATE|DROP|GRANT|REVOKE)\b"
    r"(?!.*\b(?:ATTACH|CHECK|CONSTRAINT|DEFAULT|FOREIGN|GENERATED|INDEX|NOT NULL|USING)\b)",
    re.DOTALL,
)

# In an error's context, the line of each function that was running, up to the line that a COPY was reading.
_FUNCTION = re.compile(r"^(?:PL/pgSQL function ([\w.$\"]+\([^()\n]*\)) line|SQL function (\"[\w$]+\"))", re.MULTILINE)

_ADVICE = {
    # Server, role and database each have a limit; the message names the exceeded one, in the server's language.
    "53300": "; a load uses two connections, and each of LoadConcurrency functions one: lower LoadConcurrency, or "
    "raise the limit that the message names: max_connections, or CONNECTION LIMIT of the role (ALTER ROLE) or the "
    "database (ALTER DATABASE)"
}

_NAMES = (("s", "schema"), ("t", "table"), ("c", "column"), ("n", "constraint"))


def kind_of(code: str, schema: str | None = None) -> type[PipelineError]:
    """The error that a SQLSTATE becomes, in general or where it is about an object of a schema."""
    return _ERRORS.get(f"{code} {schema}") or _ERRORS.get(code) or _ERRORS.get(code[:2]) or DatabaseError


def failure(fields: Mapping[str, str], sql: str = "", explanation: str = "") -> PipelineError:
    """Return the error for the server's ErrorResponse to a statement, given its fields by protocol letter."""
    code = fields.get("C", "")
    kind = kind_of(code, fields.get("s"))
    message = fields.get("M", "") if _is_without_data(code, fields, sql) else "message withheld, it may quote an item"
    places = [f"{name} {fields[letter]}" for letter, name in _NAMES if letter in fields]
    if function := _function(fields):
        is_event = _DDL.match(sql) is not None
        places.append(f"function {function}{', called by an event trigger' if is_event else ''}")
    where = f" ({', '.join(places)})" if places else ""
    error = kind(f"SQLSTATE {code}: {message}{where}{_ADVICE.get(code, '')}{explanation}")
    if isinstance(error, DatabaseError):
        error.sqlstate, error.rule = code, fields.get("n") or fields.get("c", "")
    return error


def _is_without_data(code: str, fields: Mapping[str, str], sql: str) -> bool:
    if code == "42601" and "q" in fields:  # a function built the statement, and the message quotes a part of it
        return False
    if _PROCEDURAL.match(fields.get("F", "")):
        return _DDL.match(sql) is not None
    return not _MESSAGES_WITHOUT_DATA.isdisjoint({code[:2], code[:3], code})


def _function(fields: Mapping[str, str]) -> str | None:
    """Return the outermost function in which the error occurred, if any."""
    context = re.split("^COPY ", fields.get("W", ""), maxsplit=1, flags=re.MULTILINE)[0]
    return next((name for names in reversed(_FUNCTION.findall(context)) for name in names if name), None)
