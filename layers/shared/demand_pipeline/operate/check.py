"""The action `check`: whether a load would succeed; it changes nothing."""

from collections.abc import Iterator

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.contracts.operating.check import CheckAnswer, CheckRequest, Finding, State
from demand_pipeline.load.in_place.strategy import find_obstacles
from demand_pipeline.load.swap.checks import find_swap_problems
from demand_pipeline.load.swap.slots import parents_of, slots_of
from demand_pipeline.load.warehouse.control_tables import CONTROL_TABLES
from demand_pipeline.load.warehouse.schema import TableSchema, find_problems, pipeline_schema
from demand_pipeline.operate import others
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Statements, qualified, quote

statement = Statements(__package__)

_OLDEST, _NEWEST = 14, 18  # versions of PostgreSQL that the tests run on


def answer(connection: Connection, schema: str, arguments: Fields) -> CheckAnswer:
    """Check the server, the role's privileges, the tables, and the objects that depend on them."""
    request = CheckRequest.read(arguments)
    declared = tuple(TableSchema.of(table) for table in TABLES.values())
    [[version, major, role, is_superuser, tls]] = connection.query(statement("server"))
    return CheckAnswer(
        (
            _server(version, major, is_standby=connection.facts.is_standby),
            Finding("TLS", State.OK, f"{tls}, certificate and host name verified"),
            _role(role, is_superuser=is_superuser),
            *_privileges(connection, schema, role),
            *_tables(connection, schema, (*declared, *CONTROL_TABLES)),
            *_dependants(connection, schema, declared, request.strategy),
            *others.find(connection, schema, declared, request.strategy),
        )
    )


def _server(version: str, major: int, *, is_standby: bool) -> Finding:
    subject, tested = "server", f"PostgreSQL {_OLDEST} to {_NEWEST}"
    if is_standby:
        action = "set PostgresHost to the primary; after a failover, DNS may need a minute to point to it"
        return Finding(subject, State.FAILURE, f"PostgreSQL {version} is a standby, which cannot write", action)
    if major < _OLDEST:
        return Finding(subject, State.FAILURE, f"{version} is too old; supported: {tested}", "upgrade the server")
    if major > _NEWEST:
        action = "try a dry run before the first run"
        return Finding(subject, State.WARNING, f"{version} is newer than the tested {tested}", action)
    return Finding(subject, State.OK, f"PostgreSQL {version}")


def _role(role: str, *, is_superuser: bool) -> Finding:
    if is_superuser:
        action = "create a role with docs/loader-role.sql, and put its login into the secret"
        return Finding("role", State.WARNING, f"{role} is a superuser; the load needs far fewer privileges", action)
    return Finding("role", State.OK, f"logged in as {role}")


def _privileges(connection: Connection, schema: str, role: str) -> Iterator[Finding]:
    [[may_create]] = connection.query(statement("may_create_schemas"))
    for name in (schema, pipeline_schema(schema)):
        yield _schema(connection, name, role, may_create=may_create)


def _schema(connection: Connection, schema: str, role: str, *, may_create: bool) -> Finding:
    subject = f"schema {schema}"
    for may_use, may_create_tables in connection.query(statement("schema_privileges"), schema=schema):
        missing = [name for name, has in (("USAGE", may_use), ("CREATE", may_create_tables)) if not has]
        if not missing:
            return Finding(subject, State.OK, f"{role} may use it and create tables in it")
        action = f"GRANT {', '.join(missing)} ON SCHEMA {quote(schema)} TO {quote(role)};"
        return Finding(subject, State.FAILURE, f"{role} lacks {' and '.join(missing)}", action)
    if may_create:
        return Finding(subject, State.OK, "does not exist yet; the first load creates it")
    action = f"CREATE SCHEMA {quote(schema)} AUTHORIZATION {quote(role)};"
    return Finding(subject, State.FAILURE, f"does not exist, and {role} may not create it", action)


def _tables(connection: Connection, schema: str, declared: tuple[TableSchema, ...]) -> Iterator[Finding]:
    for name, problems in find_problems(connection, schema, declared).items():
        subject = f"table {name}"
        if problems is None:
            yield Finding(subject, State.OK, "does not exist yet; the first load creates it")
            continue
        if not problems:
            yield Finding(subject, State.OK, "owner, key and columns are as declared")
        for problem in problems:
            yield Finding(subject, State.FAILURE, problem.text, problem.action)


def _dependants(
    connection: Connection, schema: str, declared: tuple[TableSchema, ...], strategy: Strategy
) -> Iterator[Finding]:
    relations = [qualified(schema, table.name) for table in declared]
    if strategy is Strategy.SWAP:
        for slot in parents_of(slots_of(schema, declared)):
            for problem in find_swap_problems(connection, slot):
                message = f"cannot be swapped: {problem.text}"
                yield Finding(f"table {slot.schema.name}", State.FAILURE, message, problem.action)
        return
    for name, problem in find_obstacles(connection, relations, strategy):
        yield Finding(f"table {name}", State.FAILURE, problem.text, problem.action)
