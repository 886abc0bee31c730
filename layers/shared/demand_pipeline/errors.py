"""The errors that functions raise intentionally; the class name is the error name in Step Functions.

The state machine retries three of them: `TransientError` at any task; at the load also
`LockTimeoutError`, after long pauses, and `DatabaseConnectionError`, for about a minute. Every other
error needs manual repair, so the state machine fails at once.
"""

from typing import Any


class PipelineError(Exception):
    """The base class of this project's errors; never raised itself."""


class TransientError(PipelineError):
    """A service was busy or a connection broke; the same call may succeed in a moment."""


class LockTimeoutError(PipelineError):
    """Another session held a lock for longer than the load can wait; try again later."""

    names_holders = False
    """Whether the message names the holders of the lock."""


class InvalidEventError(PipelineError, ValueError):
    """A function received a malformed event. The message names the field, its value and what was expected."""

    def __init__(self, field: str, value: Any, expected: str) -> None:
        try:
            found = f"{value!r:.200}"
        except RecursionError:
            found = f"a {type(value).__name__} nested too deeply to show"
        super().__init__(f"{field}: expected {expected}, got {found}")


class ContractVersionError(InvalidEventError):
    """The execution was started with a different version of the state machine's definition than the functions have.

    A redrive keeps that definition, so only a new run helps. `make deploy` waits until no run is active.
    """

    def __init__(self, found: Any, expected: int) -> None:
        super().__init__("contract", found, f"{expected}, the version of the deployed functions")


class ConfigurationError(PipelineError):
    """A setting, an environment variable or a secret is missing or malformed."""


class SourceMismatchError(PipelineError):
    """A source table's key differs from its declaration: most likely it is the wrong table, or was recreated."""


class StagingError(PipelineError):
    """A staged or raw object is missing, truncated, staged for different columns, or contradicts its chunk's counts."""


class ReconciliationError(PipelineError):
    """Counts that must match do not: scanned, staged, rejected or loaded."""


class RejectLimitError(PipelineError):
    """A table has more rejected items than MaxRejectPercent allows."""


class ShrinkLimitError(PipelineError):
    """A table would shrink by more than MaxShrinkPercent allows."""


class StaleRunError(PipelineError):
    """A run that started later is already committed."""


class RunNameTakenError(PipelineError):
    """A different run with the same name is already committed (other start time or other state machine)."""


class SchemaMismatchError(PipelineError):
    """A load cannot write a warehouse table as it is; the message contains the statement to run."""


class SwapRefusedError(PipelineError):
    """A swap would break or lose something that depends on the table; the message says how to fix it."""


class RunRolledBackError(PipelineError):
    """The run was committed and then rolled back; only a new run may load."""


class RollbackError(PipelineError):
    """There are no earlier rows to restore or to compare with; the message says what was found."""


class DeadlineError(PipelineError):
    """Too little of the function's time is left to finish the work."""


class DatabaseError(PipelineError):
    """PostgreSQL rejected a statement, and no more specific class applies.

    `rule` is the name of the constraint, index or column that PostgreSQL names, if any.
    """

    sqlstate = ""
    rule = ""


class DatabaseDataError(DatabaseError):
    """A value is invalid for its column's type (SQLSTATE class 22)."""


class RefusedRowError(DatabaseError):
    """A constraint or an index of the warehouse rejects rows; the message lists their keys and the statement to run."""


class DuplicateKeyError(RefusedRowError):
    """Two staged rows have the same primary key."""


class DiskFullError(DatabaseError):
    """The server's disk is full (SQLSTATE 53100); the run's shadows were dropped to free space."""


class MissingTableError(DatabaseError):
    """A table does not exist (SQLSTATE 42P01)."""


class DatabaseTimeoutError(DatabaseError):
    """A statement exceeded its time limit or was cancelled (SQLSTATE 57014)."""


class DatabaseConnectionError(DatabaseError):
    """No server answered at the configured host and port, or the server is a standby, which cannot write."""


class DatabaseCertificateError(DatabaseError):
    """The server's certificate fails the strict X.509 checks against the host name and the trusted root."""


class DatabaseAuthenticationError(DatabaseError):
    """The server rejected the user or password in the secret (SQLSTATE 28P01, 28000)."""


class DatabasePrivilegeError(DatabaseError):
    """The database user lacks a privilege that the load needs (SQLSTATE 42501), or does not own a table."""
