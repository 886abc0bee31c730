"""The meaning of each error, and how to continue: one entry per error, for every page and command.

A run's error is named as in Step Functions: a class of `errors`, or AWS's name. An operator's question to the
warehouse (`demand verify`, `demand rollback` and others) fails with the same names, but cannot be redriven, so
questions have a separate set of entries.
"""

from demand_pipeline.cure import Cure, Then, Way


def _cure(names: str, meaning: str, *ways: Way) -> Cure:
    return Cure(tuple(names.split()), meaning, ways)


def _redrive(fix: str = "") -> Way:
    return Way(Then.REDRIVE, fix)


def _new_run(fix: str = "", *fields: str) -> Way:
    return Way(Then.NEW_RUN, fix, fields)


# Names, meaning and fix of errors that stop both runs and questions, until the environment is fixed.
_ENVIRONMENT = (
    (
        "LockTimeoutError",
        "another session holds a lock on a warehouse table; the message names it",
        "end that session, or wait for it",
    ),
    (
        "DatabaseConnectionError",
        "no server answers at PostgreSQL's host and port, or the server there is a standby",
        "check `PostgresHost`, `PostgresPort`, security groups and the server",
    ),
    (
        "DatabaseCertificateError",
        "the server's certificate does not match its host name or the trusted root",
        "check `PostgresHost` and `PostgresTlsRootSecretArn` (docs/deploy.md#a-private-ca)",
    ),
    (
        "DatabaseAuthenticationError",
        "the user name or password was rejected, even after the secret was read again",
        "fix the secret",
    ),
    (
        "DatabasePrivilegeError",
        "the loader's role lacks a privilege, or a table belongs to another role",
        "run the statement in the message (docs/adopt.md), or grant the privilege (docs/loader-role.sql)",
    ),
    (
        "DiskFullError",
        "PostgreSQL's disk is full; the tables are unchanged, and a run's copied rows were dropped",
        "give the server more storage",
    ),
    (
        "ConfigurationError",
        "a setting or a secret is missing or malformed; the message names it",
        "correct it",
    ),
    (
        "Runtime.ImportModuleError Runtime.HandlerNotFound Runtime.UserCodeSyntaxError Runtime.InvalidEntrypoint",
        "the deployed function cannot start: its code or a dependency is missing or damaged",
        "build and deploy again",
    ),
)

RUN_CURES = (
    _cure(
        "InvalidInput",
        "the run's input contains an unknown field or an invalid value; the cause names it",
        Way(Then.NEW_INPUT, "correct the input (docs/operate.md#start-a-run)"),
    ),
    _cure(
        "ContractVersionError",
        "the run started with a different version of the state machine's definition than the functions have now",
        _new_run(),
    ),
    _cure("TransientError", "a service stayed busy, or connections kept breaking, during all retries", _redrive()),
    _cure(
        "DeadlineError",
        "the load needed more than its 15 minutes; the message reports its progress",
        _redrive("give the database a larger instance class"),
        _new_run("divide the tables among several runs", "tables"),
    ),
    _cure(
        "StaleRunError",
        "a run that started later is already committed",
        Way(Then.NOTHING, "nothing needs to be done: the warehouse is newer than this run"),
    ),
    _cure(
        "RunNameTakenError",
        "a different run with the same name is already committed: more than 90 days ago, or from another stack that "
        "loads the same schema",
        _new_run("choose another name"),
    ),
    _cure(
        "RejectLimitError",
        "more items were rejected than `MaxRejectPercent` allows",
        Way(Then.REJECTS),
        _new_run("correct the items or the declaration"),
        _new_run("accept that the items are missing for now", "maxRejectPercent"),
    ),
    _cure(
        "ShrinkLimitError",
        "a table would shrink by more than `MaxShrinkPercent` allows",
        _new_run("correct the source"),
        _new_run("confirm that the source is right", "maxShrinkPercent"),
    ),
    _cure(
        "SourceMismatchError",
        "a source table has a different key than its declaration; nothing was read",
        _new_run("name the right table in the stack's parameters, or change the declaration, and deploy"),
    ),
    _cure(
        "SchemaMismatchError",
        "a load cannot write a warehouse table as it is, such as for its key, a column's type or a reference to it",
        _redrive("run the statement in the message (docs/adopt.md)"),
        _new_run("correct the declaration and deploy"),
    ),
    _cure(
        "SwapRefusedError",
        "a swap would break or lose something that depends on a table, such as a foreign key",
        _redrive("follow the message"),
        _new_run("deploy another `LoadStrategy`"),
    ),
    _cure("RunRolledBackError", "the run was committed and then rolled back", _new_run()),
    _cure(
        "DuplicateKeyError",
        "two rows have the same primary key, such as two strings that become the same date",
        _new_run("correct the items"),
    ),
    _cure(
        "RefusedRowError",
        "a constraint or an index that others added to a warehouse table rejects rows",
        _redrive("run the statement in the message (docs/adopt.md#your-own-constraints-and-indexes)"),
        _new_run("correct the items that the message lists"),
    ),
    _cure(
        "StagingError",
        "a chunk in S3 is missing, truncated or damaged, or was staged for different columns than those deployed now",
        _new_run(),
    ),
    _cure(
        "ReconciliationError",
        "counts that must match do not; nothing was loaded. If it happens again, it is a bug",
        _new_run(),
    ),
    _cure(
        "DatabaseTimeoutError",
        "PostgreSQL needed longer for a statement than the function's remaining time",
        _redrive("check the server's load"),
        _new_run("divide the tables among several runs", "tables"),
    ),
    _cure(
        "DatabaseDataError DatabaseError MissingTableError",
        "PostgreSQL rejected a value or a statement; see the SQLSTATE in the message",
        _redrive("correct the warehouse"),
        _new_run("correct the items or the declaration"),
    ),
    _cure(
        "InvalidEventError",
        "a function received a malformed event; the message names the field",
        _new_run("correct the event if you wrote it, or report a bug and deploy its fix"),
    ),
    _cure(
        "DynamoDb.ResourceNotFoundException",
        "no source table has this name in this account and region",
        _redrive("create or restore the table"),
        _new_run("set the right name or account and deploy"),
    ),
    _cure(
        "DynamoDb.DynamoDbException",
        "the state machine is not allowed to describe a source table, or was throttled; the cause shows which",
        _redrive("correct the table's resource policy (docs/deploy.md#tables-of-another-account)"),
    ),
    _cure(
        "ClientError",
        "AWS refused a function's call, such as Scan or GetObject; the cause names the call and the reason",
        _redrive("correct the policy or the key's parameter"),
    ),
    _cure(
        "Sandbox.Timedout",
        "a function was killed at its time limit",
        _redrive(),
        _new_run("if it happens again, lower `ChunkBytes` and deploy"),
    ),
    _cure(
        "Runtime.ExitError Runtime.OutOfMemory Lambda.Unknown",
        "a function's process crashed, or ran out of memory",
        Way(Then.LOGS),
        _redrive(),
    ),
    _cure(
        "States.Timeout",
        "a function did not answer within its state's 16 minutes, or the run took longer than a day",
        _redrive(),
    ),
    _cure(
        "States.DataLimitExceeded",
        "the list of chunks is larger than 256 KiB; a redrive would fail in the same way",
        _new_run("raise `ChunkBytes` or lower `MaxSegments`, and deploy"),
    ),
    _cure(
        "States.QueryEvaluationError States.Runtime",
        "Step Functions cannot evaluate the state machine's definition; the cause names the state and the reason",
        _redrive("deploy a fix of the function whose result it could not read"),
        _new_run("deploy a fix of the definition"),
    ),
    _cure(
        "States.Permissions",
        "the state machine's role lacks a permission; the cause names it",
        _redrive("deploy again, which restores the role's policy"),
    ),
    _cure(
        "Lambda.TooManyRequestsException",
        "the account had no free Lambda concurrency for hours",
        _redrive("wait for a quieter time"),
        _new_run("lower `MaxFunctionsPerTable` and deploy"),
    ),
    _cure(
        "Lambda.AWSLambdaException",
        "the Lambda service failed during all retries, or the state machine is not allowed to call the function (then "
        "the cause contains `AccessDenied`)",
        _redrive("after `AccessDenied`, deploy again to restore the role's policy"),
    ),
    _cure(
        "Lambda.ResourceNotFoundException",
        "a function that the run's definition names does not exist",
        _new_run("deploy again"),
    ),
    _cure(
        "Lambda.KMSAccessDeniedException Lambda.KMSDisabledException Lambda.KMSInvalidStateException "
        "Lambda.KMSNotFoundException",
        "Lambda cannot use the key that encrypts the function's environment",
        _redrive("enable the key, or allow the function's role to decrypt with it"),
    ),
    _cure(
        "Lambda.InvalidSubnetIDException Lambda.InvalidSecurityGroupIDException Lambda.EC2AccessDeniedException",
        "Lambda cannot connect the function to the VPC: a subnet or security group does not exist, or the function's "
        "role may not manage network interfaces",
        _redrive("check `SubnetIds` and `SecurityGroupIds`, and deploy again"),
    ),
    _cure(
        "Lambda.ENILimitReachedException Lambda.SubnetIPAddressLimitReachedException",
        "Lambda found no free network interface or address for the load",
        _redrive("free some in the subnets, or name other subnets in `SubnetIds` and deploy"),
    ),
    _cure(
        "Lambda.InvalidZipFileException Lambda.InvalidRuntimeException Lambda.RuntimeVersionDeletedException "
        "Lambda.RuntimeAliasDeletedException",
        "Lambda cannot start the deployed function: its package is damaged, or its runtime no longer exists",
        _redrive("build and deploy again"),
    ),
    _cure(
        "Lambda.ServiceException Lambda.SdkClientException Lambda.ClientExecutionTimeoutException "
        "Lambda.ResourceNotReadyException Lambda.ResourceConflictException Lambda.ENINotReadyException "
        "Lambda.EC2ThrottledException Lambda.EC2UnexpectedException "
        "DynamoDb.InternalServerErrorException DynamoDb.SdkClientException",
        "AWS itself failed or was not ready, during all retries",
        _redrive(),
    ),
    *[_cure(names, meaning, _redrive(fix)) for names, meaning, fix in _ENVIRONMENT],
)

# Reasons that often pass: a run that failed for one of them is redriven automatically, after a pause.
PASSING = (
    "TransientError",
    "LockTimeoutError",
    "DatabaseConnectionError",
    "Sandbox.Timedout",
    "States.Timeout",
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ResourceNotReadyException",
    "Lambda.ResourceConflictException",
    "Lambda.ENINotReadyException",
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
    "DynamoDb.InternalServerErrorException",
    "DynamoDb.SdkClientException",
)

STOPPED = _cure("Stopped", "the run was stopped by hand", _redrive(), _new_run())

QUESTION_CURES = (
    _cure(
        "RollbackError",
        "there are no earlier rows to restore or to compare with; the message says why",
        Way(Then.NOTHING, "see docs/runbook.md#restore-yesterday for other ways to get earlier rows back"),
    ),
    _cure("TransientError", "a service stayed busy, or a connection broke", Way(Then.REPEAT)),
    _cure(
        "DatabaseTimeoutError",
        "PostgreSQL needed longer for the answer than the function's time limit",
        Way(Then.REPEAT, "add `--direct`, which has no such limit, or wait for a quieter time"),
    ),
    _cure(
        "Sandbox.Timedout Runtime.ExitError Runtime.OutOfMemory Lambda.Unknown",
        "the function reached its time or memory limit, or its process crashed",
        Way(Then.REPEAT, "add `--direct`, which needs no function"),
    ),
    _cure(
        "StagingError",
        "an object in S3 is missing or damaged; objects expire after `StagingRetentionDays`",
        Way(Then.NOTHING, "use a later run, whose objects still exist"),
    ),
    _cure(
        "ContractVersionError InvalidEventError",
        "the command and the deployed function have different versions",
        Way(Then.REPEAT, "use the version that is deployed, or deploy this one"),
    ),
    *[_cure(names, meaning, Way(Then.REPEAT, fix)) for names, meaning, fix in _ENVIRONMENT],
)

_OF_AWS = "an AWS error without an entry in the runbook"
_OF_PYTHON = "an unexpected Python exception, probably a bug in the pipeline or in a library"


def cure_of_run(error: str) -> Cure:
    """Return the entry of a run's error; for an unknown name, an entry that says where to look."""
    return _find(
        error,
        RUN_CURES,
        Way(Then.LOGS),
        _redrive("fix the cause in a function, its role or its network"),
        _new_run("fix the cause in the definition or the items"),
    )


def cure_of_question(error: str) -> Cure:
    """Return the entry of an error of an operator's question; for an unknown name, an entry that says where to look."""
    fix = "read the message and the log of the functions `ReadWarehouse` and `ChangeWarehouse`, and fix the cause"
    return _find(error, QUESTION_CURES, Way(Then.REPEAT, fix))


def _find(error: str, cures: tuple[Cure, ...], *ways: Way) -> Cure:
    unknown = _cure("", _OF_AWS if "." in error else _OF_PYTHON, *ways)
    return next((entry for entry in cures if error in entry.names), unknown)
