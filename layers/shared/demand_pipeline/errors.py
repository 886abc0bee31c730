"""Every error the functions raise on purpose; the class name is the error name in Step Functions.

What may be retried is named here once: `TransientError` at any task; at the load also
`LockTimeoutError`, after long pauses, and `DatabaseConnectionError`, for about a minute. Everything
else needs manual repair, so the state machine lets it fail at once.
"""

from typing import Any


class PipelineError(Exception):
    """The root of this project's errors; never raised itself."""


class TransientError(PipelineError):
    """A service was busy or a connection broke; the same call may succeed in a moment."""


class LockTimeoutError(PipelineError):
    """Another session held a lock for longer than the load may wait; try again later."""

    names_holders = False
    """Whether the message says who holds the lock."""


class InvalidEventError(PipelineError, ValueError):
    """A state passed a malformed event: names the field, the value and what was expected."""

    def __init__(self, field: str, value: Any, expected: str) -> None:
        try:
            found = f"{value!r:.200}"
        except RecursionError:
            found = f"a {type(value).__name__} nested too deeply to show"
        super().__init__(f"{field}: expected {expected}, got {found}")


class ContractVersionError(InvalidEventError):
    """The execution was started with another version of the state machine's definition than the functions have.

    A redrive keeps that definition, so start a new run; deploy only while no run is active.
    """

    def __init__(self, found: Any, expected: int) -> None:
        super().__init__("contract", found, f"{expected}, the version of the deployed functions")


class ConfigurationError(PipelineError):
    """A setting, an environment variable or a secret is missing or malformed."""


class StagingError(PipelineError):
    """A staged or raw object is missing, cut short, of other columns or not what its chunk's counts say."""


class ReconciliationError(PipelineError):
    """Counts that must be equal are not: scanned, staged, rejected or loaded."""


class RejectLimitError(PipelineError):
    """A table has more rejected items than MaxRejectPercent allows."""


class ShrinkLimitError(PipelineError):
    """A table would shrink by more than MaxShrinkPercent allows."""


class StaleRunError(PipelineError):
    """A run that started later was committed already."""


class RunNameTakenError(PipelineError):
    """Another run of the same name was committed already: of another start time, or another state machine."""


class SchemaMismatchError(PipelineError):
    """A load cannot write a warehouse table as it is; the message contains the statement to run."""


class SwapRefusedError(PipelineError):
    """A table has something that a swap would break or lose; the message has the cure."""


class RunRolledBackError(PipelineError):
    """The run was committed and rolled back since; only another run may load."""


class RollbackError(PipelineError):
    """There is nothing that a rollback could bring back; the message names what there is."""


class DeadlineError(PipelineError):
    """The function's time limit is too near to finish."""


class DatabaseError(PipelineError):
    """PostgreSQL refused a statement for a reason that has no class of its own.

    `rule` is the name of the constraint, index or column that PostgreSQL names, if any.
    """

    sqlstate = ""
    rule = ""


class DatabaseDataError(DatabaseError):
    """PostgreSQL cannot take a value as its column's type (SQLSTATE class 22)."""


class RefusedRowError(DatabaseError):
    """A constraint or an index of the warehouse refuses rows; the message lists their keys and the statement to run."""


class DuplicateKeyError(RefusedRowError):
    """Two staged rows have the same primary key."""


class DiskFullError(DatabaseError):
    """The server has no disk space left (SQLSTATE 53100); the run's shadows were dropped, to give back theirs."""


class MissingTableError(DatabaseError):
    """A table is not there (SQLSTATE 42P01)."""


class DatabaseTimeoutError(DatabaseError):
    """A statement took longer than it may, or somebody cancelled it (SQLSTATE 57014)."""


class DatabaseConnectionError(DatabaseError):
    """No PostgreSQL answered at the configured host and port, or one that is a standby and refuses to write."""


class DatabaseCertificateError(DatabaseError):
    """The server's certificate does not match the host name or the trusted root, by strict X.509 checks."""


class DatabaseAuthenticationError(DatabaseError):
    """The user or password in the secret was refused (SQLSTATE 28P01, 28000)."""


class DatabasePrivilegeError(DatabaseError):
    """The database user lacks a privilege the load needs (SQLSTATE 42501), or does not own a table."""
