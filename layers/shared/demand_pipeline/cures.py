"""What each error of a run means, and what to do about it: one entry per error, for every page and command.

The names are those that Step Functions shows: classes of `errors`, and errors of AWS's services.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Cure:
    """`names` of errors with one `meaning`, and the `action`: a redrive, a new run, or nothing.

    A `*` in a name stands for anything, where no other entry has the name itself.

    The texts are Markdown in one line. `docs/…` is a page to read.
    """

    names: tuple[str, ...]
    meaning: str
    action: str


CURES = (
    Cure(
        ("InvalidInput",),
        "the run's input has an unknown field or an invalid value; the cause names it",
        "new run",
    ),
    Cure(
        ("ContractVersionError",),
        "the run was started with a definition of another version than the functions",
        "new run; deploy only while no run is active",
    ),
    Cure(
        ("TransientError",),
        "a service stayed busy, or a connection kept breaking, through all retries",
        "redrive",
    ),
    Cure(
        ("LockTimeoutError",),
        "another session holds a lock on a warehouse table; the message names it",
        "end that session, or wait for it; redrive",
    ),
    Cure(
        ("DeadlineError",),
        "the load needed more than its 15 minutes; the message reports its progress",
        "with a larger instance class for the database: redrive; otherwise new runs of fewer `tables`",
    ),
    Cure(
        ("StaleRunError",),
        "a run that started later is already committed",
        "nothing; or a new run with `force`",
    ),
    Cure(
        ("RunNameTakenError",),
        "another run of this name is committed: more than 90 days ago, or from another stack in the same schema",
        "new run under another name",
    ),
    Cure(
        ("RejectLimitError",),
        "more items were rejected than `MaxRejectPercent` allows; the reasons are under `rejects/`",
        "fix the items or the declaration, or set `maxRejectPercent`: new run",
    ),
    Cure(
        ("ShrinkLimitError",),
        "a table would shrink by more than `MaxShrinkPercent`",
        "check the source; if it is right, new run with `maxShrinkPercent`",
    ),
    Cure(
        ("SchemaMismatchError",),
        "a load cannot write a warehouse table as it is, such as for its key, a column's type or a foreign key to it",
        "run the statement in the message (docs/adopt.md), redrive; after a change to the declaration: new run",
    ),
    Cure(
        ("SwapRefusedError",),
        "a table has something that a swap would break or lose, such as a foreign key that refers to it",
        "follow the message, redrive; or a new run with another `LoadStrategy`",
    ),
    Cure(
        ("RunRolledBackError",),
        "the run was committed, and somebody has rolled it back",
        "new run",
    ),
    Cure(
        ("RollbackError",),
        "the last run cannot be rolled back; the message names what there is",
        "nothing; or a new run, which replaces the rows",
    ),
    Cure(
        ("DuplicateKeyError",),
        "two rows have the same primary key, such as two strings that become the same date",
        "fix the items, new run",
    ),
    Cure(
        ("RefusedRowError",),
        "a constraint or an index that others added to a warehouse table refuses items",
        "run the statement in the message (docs/adopt.md#your-own-constraints-and-indexes), redrive; "
        "or fix the items it lists: new run",
    ),
    Cure(
        ("StagingError",),
        "a chunk in S3 is missing, truncated or damaged, or was staged for other columns than those deployed now",
        "new run",
    ),
    Cure(
        ("ReconciliationError",),
        "counts that must be equal are not; nothing was loaded",
        "new run; if it happens again, it is our bug",
    ),
    Cure(
        ("DatabaseConnectionError",),
        "nothing answers at PostgreSQL's host and port, or the server there is a standby",
        "check `PostgresHost`, `PostgresPort`, security groups and the server; redrive",
    ),
    Cure(
        ("DatabaseCertificateError",),
        "the server's certificate does not match its host name or the trusted root",
        "check `PostgresHost`, `PostgresTlsRootSecretArn` (docs/deploy.md#a-private-ca); redrive",
    ),
    Cure(
        ("DatabaseAuthenticationError",),
        "user or password were refused, twice, the second time with the secret read again",
        "fix the secret, redrive",
    ),
    Cure(
        ("DatabasePrivilegeError",),
        "the loader's role lacks a privilege, or a table has another owner",
        "grant it (docs/loader-role.sql), or run the statement in the message (docs/adopt.md); redrive",
    ),
    Cure(
        ("DatabaseTimeoutError",),
        "a statement took PostgreSQL longer than the function's remaining time",
        "check the server's load; redrive, or new runs of fewer `tables`",
    ),
    Cure(
        ("DiskFullError",),
        "PostgreSQL's disk is full; the tables are untouched, and what the run had copied was dropped",
        "give the server more storage, redrive",
    ),
    Cure(
        ("DatabaseDataError", "DatabaseError", "MissingTableError"),
        "PostgreSQL refused a value or a statement; the message has its SQLSTATE",
        "after a fix to the warehouse: redrive; to the items or the declaration: new run",
    ),
    Cure(
        ("ConfigurationError",),
        "a setting or a secret is missing or malformed; the message names it",
        "fix it, redrive",
    ),
    Cure(
        ("InvalidEventError",),
        "a function was called with a malformed event; the message names the field",
        "fix the event, if you wrote it; otherwise it is our bug: new run after the fix",
    ),
    Cure(
        ("DynamoDb.ResourceNotFoundException",),
        "no source table has this name in this account and region",
        "once the table exists: redrive; with another name or account: deploy, new run",
    ),
    Cure(
        ("DynamoDb.DynamoDbException",),
        "the state machine may not describe a source table, or was throttled; the cause says which",
        "fix the table's resource policy (docs/deploy.md#tables-of-another-account), redrive",
    ),
    Cure(
        ("ClientError",),
        "AWS refused a function's call, such as Scan or GetObject; the cause says which and why",
        "fix the policy or the key's parameter, redrive",
    ),
    Cure(
        ("Sandbox.Timedout", "Lambda.Unknown"),
        "a function was killed at its time limit or memory limit",
        "redrive; if it happens again, lower `ChunkBytes`: new run",
    ),
    Cure(
        ("States.Timeout",),
        "a function gave no answer within its state's 16 minutes, or the run took longer than a day",
        "redrive: both timeouts start again",
    ),
    Cure(
        ("States.DataLimitExceeded",),
        "the list of chunks is larger than 256 KiB; a redrive would fail in the same way",
        "raise `ChunkBytes` or lower `MaxSegments`: new run",
    ),
    Cure(
        ("Lambda.TooManyRequestsException",),
        "for hours the account had no free concurrency",
        "redrive when it is quieter; or lower `MaxFunctionsPerTable`: new run",
    ),
    Cure(
        ("Lambda.ENILimitReachedException", "Lambda.SubnetIPAddressLimitReachedException"),
        "Lambda found no network interface or address for the load",
        "free some in the subnets, or name other subnets in `SubnetIds`; redrive",
    ),
    Cure(
        ("Lambda.ServiceException", "Lambda.*", "DynamoDb.*Exception"),
        "AWS itself failed, through all retries",
        "redrive",
    ),
)

OTHERS = "Any other name is a Python exception and our bug: redrive once a fix is deployed."


def cure(error: str) -> Cure | None:
    """The entry of an error's name: one that has it exactly, or else the first whose pattern it matches."""
    exact = [entry for entry in CURES if error in entry.names]
    alike = [entry for entry in CURES if any(fnmatchcase(error, name) for name in entry.names)]
    return next(iter(exact + alike), None)
