"""Creates, extends and checks the warehouse's tables according to their declarations.

Columns that were added by hand are left alone: a load fills them with their default, or null.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from demand_pipeline.errors import DatabasePrivilegeError, SchemaMismatchError
from demand_pipeline.load.warehouse.problem import Problem
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, listed, qualified, quote, suffixed
from demand_pipeline.tables import Column, ColumnType, Table

statement = Statements(__package__)

# Values of pg_class.relkind that can be loaded: an ordinary and a partitioned table.
_TABLES = ("r", "p")

_NOT_PARTITIONED = Sql("")


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table in PostgreSQL: its columns in order, of which some, all or none are the primary key."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, table: Table) -> Self:
        """The schema of a declared table, `extra` included."""
        return cls(table.name, table.description, table.stored_columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def types(self) -> dict[str, ColumnType]:
        """The columns' types by name, in order."""
        return {column.name: column.type for column in self.columns}

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key's columns, in order."""
        return tuple(column.name for column in self.columns if column.key)

    def descriptions(self) -> list[tuple[str | None, str]]:
        """The descriptions of the table (None) and of each column."""
        return [(None, self.description), *((column.name, column.description) for column in self.columns)]

    def definition(self) -> Sql:
        """The column definitions of CREATE TABLE, without the key."""
        return listed([Sql(f"{quote(column.name)} {column.type}") for column in self.columns])


def create_table(schema: str, wanted: TableSchema, partitioned: Sql = _NOT_PARTITIONED) -> Sql:
    """Return the statement that creates the table; `partitioned` is an optional PARTITION BY clause."""
    key = [Sql(f"PRIMARY KEY ({listed(wanted.key)})")] if wanted.key else []
    definition = listed([wanted.definition(), *key])
    table = qualified(schema, wanted.name)
    creation = statement("create_table", table=table, definition=definition, partitioned=partitioned)
    return creation if key else Sql(f"{creation}\n{statement('identify_rows', table=table)}")


def pipeline_schema(warehouse: str) -> str:
    """Return the name of the pipeline's own schema for a schema of tables."""
    return f"{warehouse}_pipeline"


def ensure_schema(connection: Connection, schema: str) -> None:
    """Create the schema if it is missing; IF NOT EXISTS would need a privilege on the database even if it exists."""
    if not connection.query(statement("find_schema"), schema=schema):
        connection.execute(statement("create_schema", schema=schema))


def prepare(connection: Connection, schema: str, declared: tuple[TableSchema, ...]) -> dict[str, tuple[str, ...]]:
    """Create the missing tables, check the others, and return the statements that add missing columns, by table.

    These statements take an exclusive lock, so the caller runs them when it holds one anyway. Raises
    DatabasePrivilegeError or SchemaMismatchError, which name every difference and the statements to run
    (docs/adopt.md).
    """
    tables = []
    for wanted in declared:
        if table := _find(connection, qualified(schema, wanted.name), wanted):
            tables.append(table)
        else:
            connection.execute(create_table(schema, wanted))
            logger.info("table created", table=wanted.name)
    if strange := [str(problem) for table in tables if (problem := table.owner_problem())]:
        raise DatabasePrivilegeError(" ".join(strange))
    if different := [str(problem) for table in tables if (problem := table.shape_problem())]:
        raise SchemaMismatchError(" ".join(different))
    return {wanted.name: () for wanted in declared} | {table.wanted.name: tuple(table.additions()) for table in tables}


def missing_parts(connection: Connection, schema: str, declared: Iterable[TableSchema]) -> Iterator[str]:
    """Yield one line for each table and each column that `prepare` and its statements add."""
    for wanted in declared:
        found = connection.query(
            statement("columns"),
            relation=qualified(schema, wanted.name),
            declared_names=list(wanted.names),
            declared_types=[str(column_type) for column_type in wanted.types.values()],
        )
        missing = [column for column, type_found, _ in found if type_found is None]
        if len(missing) == len(wanted.columns):
            yield f"table {wanted.name} created"
        else:
            yield from (f"column {wanted.name}.{column} added" for column in missing)


def find_problems(
    connection: Connection, schema: str, declared: tuple[TableSchema, ...]
) -> dict[str, tuple[Problem, ...] | None]:
    """Return the problems of each declared table that `prepare` would raise; None for a table that does not exist.

    Changes nothing.
    """
    tables = {wanted.name: _find(connection, qualified(schema, wanted.name), wanted) for wanted in declared}
    return {
        name: tuple(filter(None, (table.owner_problem(), table.shape_problem()))) if table else None
        for name, table in tables.items()
    }


def alone(connection: Connection, tables: Sequence[Sql]) -> list[Sql]:
    """Return the tables with ONLY where it is needed: tables of others may inherit from them and stay unaffected."""
    return [Sql(name) for [name] in connection.query(statement("alone"), relations=list(tables))]


def count_rows(connection: Connection, table: Sql) -> int:
    """Return the number of rows of a table."""
    [[rows]] = connection.query(statement("count_rows", table=listed(alone(connection, [table]))))
    return int(rows)


def add_comments(connection: Connection, schema: str, declared: tuple[TableSchema, ...]) -> None:
    """Add descriptions to the tables and columns that have no comment.

    Each comment takes a SHARE UPDATE EXCLUSIVE lock, which does not wait if the caller has locked writers out.
    """
    texts = [(qualified(schema, wanted.name), *text) for wanted in declared for text in wanted.descriptions()]
    relations, columns, comments = (list(part) for part in zip(*texts, strict=True))
    connection.apply(connection.query(statement("comments"), relations=relations, columns=columns, comments=comments))


@dataclass(frozen=True, slots=True)
class _Table:
    """An existing table.

    `types` maps each declared column to its type (None: the column is missing) and its declared type. `unwritable`
    lists columns with the problem and the action that solves it.
    """

    wanted: TableSchema
    name: str
    kind: str
    owner: str
    owned: bool
    loader: str
    key_name: str | None
    key: tuple[str, ...]
    types: dict[str, tuple[str | None, str]]
    unwritable: tuple[tuple[str, str, str], ...]

    def owner_problem(self) -> Problem | None:
        """The problem that the table belongs to another role: only owners can add columns and create indexes."""
        if self.owned or self.kind not in _TABLES:
            return None
        return Problem(
            f"{self.wanted.name}: expected the owner {self.loader}, or a role it is a member of, found {self.owner}",
            f"ALTER TABLE {self.name} OWNER TO {quote(self.loader)};",
        )

    def shape_problem(self) -> Problem | None:
        """All differences from the declaration, and the one statement that removes them; None if there are none."""
        found = list(self._differences())
        if not found:
            return None
        differences, actions = zip(*found, strict=True)
        return Problem(", ".join(differences), f"ALTER TABLE {self.name} {', '.join(actions)};")

    def additions(self) -> Iterator[str]:
        """Yield the statements that add the missing columns."""
        for name, (found, expected) in self.types.items():
            if found is None:
                logger.info("column missing, will be added", table=self.wanted.name, column=name)
                yield f"ALTER TABLE {self.name} ADD COLUMN {quote(name)} {expected}"

    def _differences(self) -> Iterator[tuple[str, str]]:
        """Yield each difference, and the action of ALTER TABLE that removes it."""
        wanted, rename = self.wanted, f"RENAME TO {quote(suffixed(self.wanted.name, '_before'))}"
        if self.kind not in _TABLES:
            yield f"{wanted.name}: expected a table, found a relation of kind {self.kind!r}", rename
            return
        key = f"{wanted.name}: expected the primary key {_shown(wanted.key)}, found {_shown(self.key)}"
        if any(self.types[name][0] is None for name in wanted.key):
            yield key, rename  # the rows have no key value, so they cannot be kept
            return
        for name, (found, expected) in self.types.items():
            if found not in (None, expected):
                action = f"ALTER COLUMN {quote(name)} TYPE {expected} USING {_cast(quote(name), found, expected)}"
                yield f"{wanted.name}.{name}: expected the type {expected}, found {found}", action
        for name, problem, action in self.unwritable:
            yield f"{wanted.name}.{name}: a load cannot write rows, because the column is {problem}", action
        if self.key != wanted.key:
            yield key, ", ".join(self._key_actions())

    def _key_actions(self) -> Iterator[str]:
        if self.key_name:
            yield f"DROP CONSTRAINT {quote(self.key_name)}"
        for name in self.key:
            if name in self.types and name not in self.wanted.key:
                yield f"ALTER COLUMN {quote(name)} DROP NOT NULL"  # the key made it so
        if self.wanted.key:
            yield f"ADD PRIMARY KEY ({listed(self.wanted.key)})"


def _find(connection: Connection, name: str, wanted: TableSchema) -> _Table | None:
    for kind, owner, owned, loader, key_name, key in connection.query(statement("relation"), relation=name):
        columns = connection.query(
            statement("columns"),
            relation=name,
            declared_names=list(wanted.names),
            declared_types=[str(column_type) for column_type in wanted.types.values()],
        )
        types = {column: (found, expected) for column, found, expected in columns}
        unwritable = connection.query(
            statement("unwritable_columns"), relation=name, declared=list(wanted.names), key=list(wanted.key)
        )
        problems = tuple((column, problem, action) for column, problem, action in unwritable)
        return _Table(wanted, name, kind, owner, owned, loader, key_name, tuple(key or ()), types, problems)
    return None


def _cast(column: str, found: str, expected: str) -> str:
    """Return the cast of a column to another type; a time without a zone is in UTC, whatever the session's zone."""
    naive = found.endswith("without time zone") and expected == "timestamp with time zone"
    return f"{column} AT TIME ZONE 'UTC'" if naive else f"{column}::{expected}"


def _shown(key: tuple[str, ...]) -> str:
    return f"({', '.join(key)})" if key else "none"
