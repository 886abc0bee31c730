"""The warehouse's tables as their declarations want them: created, extended, checked.

Columns that somebody added by hand are left alone: a load fills them with their default, or null.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from demand_pipeline.errors import DatabasePrivilegeError, SchemaMismatchError
from demand_pipeline.load.problem import Problem
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, listed, qualified, quote, statement, suffixed
from demand_pipeline.tables import Column, ColumnType, Table

# pg_class.relkind: an ordinary and a partitioned table can be loaded.
_TABLES = ("r", "p")

_NOT_PARTITIONED = Sql("")


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table in PostgreSQL: its columns in order, those of the primary key among them (there may be none)."""

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
        """What the table (None) and each column is."""
        return [(None, self.description), *((column.name, column.description) for column in self.columns)]

    def definition(self) -> Sql:
        """What stands between the parentheses of CREATE TABLE, without the key."""
        return listed([Sql(f"{quote(column.name)} {column.type}") for column in self.columns])


def create_table(schema: str, wanted: TableSchema, partitioned: Sql = _NOT_PARTITIONED) -> Sql:
    """The statement that creates the table; `partitioned` is the clause that makes it a partitioned one."""
    key = [Sql(f"PRIMARY KEY ({listed(wanted.key)})")] if wanted.key else []
    definition = listed([wanted.definition(), *key])
    table = qualified(schema, wanted.name)
    creation = statement("create_table", table=table, definition=definition, partitioned=partitioned)
    return creation if key else Sql(f"{creation}\n{statement('identify_rows', table=table)}")


def ensure_schema(connection: Connection, schema: str) -> None:
    """Create the schema if it is missing; asking first needs no privilege on the database."""
    if not connection.query(statement("find_schema"), schema=schema):
        connection.execute(statement("create_schema", schema=schema))


def prepare(connection: Connection, schema: str, declared: tuple[TableSchema, ...]) -> dict[str, tuple[str, ...]]:
    """Create the missing tables, check the others, and return the statements that add missing columns, by table.

    Those take an exclusive lock, so the caller runs them when it holds it anyway. Raises DatabasePrivilegeError or
    SchemaMismatchError, which name all that must change in these tables, and the statements to run (docs/adopt.md).
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
    """One line for each table and each column that `prepare` and its statements add."""
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
    """The problems of each declared table, as `prepare` would raise them; None for a table that does not exist.

    Changes nothing, and raises nothing about the tables.
    """
    tables = {wanted.name: _find(connection, qualified(schema, wanted.name), wanted) for wanted in declared}
    return {
        name: tuple(filter(None, (table.owner_problem(), table.shape_problem()))) if table else None
        for name, table in tables.items()
    }


def alone(connection: Connection, tables: Sequence[Sql]) -> list[Sql]:
    """Tables as a statement names them that must not reach tables that inherit from them: those are somebody else's."""
    return [Sql(name) for [name] in connection.query(statement("alone"), relations=list(tables))]


def count_rows(connection: Connection, table: Sql) -> int:
    """How many rows a table holds."""
    [[rows]] = connection.query(statement("count_rows", table=listed(alone(connection, [table]))))
    return int(rows)


def add_comments(connection: Connection, schema: str, declared: tuple[TableSchema, ...]) -> None:
    """Describe the tables and columns that have no comment; what people wrote stays.

    Each comment takes a SHARE UPDATE EXCLUSIVE lock: it need not wait where the caller has locked writers out.
    """
    texts = [(qualified(schema, wanted.name), *text) for wanted in declared for text in wanted.descriptions()]
    relations, columns, comments = (list(part) for part in zip(*texts, strict=True))
    connection.apply(connection.query(statement("comments"), relations=relations, columns=columns, comments=comments))


@dataclass(frozen=True, slots=True)
class _Table:
    """A table that is there.

    `types` are what each declared column has (None: it is missing) and should have. `unwritable` are columns with the
    problem and the action that solves it.
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
        """What the owner of another role must run; PostgreSQL lets owners alone add columns and make indexes."""
        if self.owned or self.kind not in _TABLES:
            return None
        return Problem(
            f"{self.wanted.name}: expected the owner {self.loader}, or a role it is a member of, found {self.owner}",
            f"ALTER TABLE {self.name} OWNER TO {quote(self.loader)};",
        )

    def shape_problem(self) -> Problem | None:
        """How the table differs from its declaration, and the one statement that changes it; None if it does not."""
        found = list(self._differences())
        if not found:
            return None
        differences, actions = zip(*found, strict=True)
        return Problem(", ".join(differences), f"ALTER TABLE {self.name} {', '.join(actions)};")

    def additions(self) -> Iterator[str]:
        """The statements that add the missing columns."""
        for name, (found, expected) in self.types.items():
            if found is None:
                logger.info("column missing, will be added", table=self.wanted.name, column=name)
                yield f"ALTER TABLE {self.name} ADD COLUMN {quote(name)} {expected}"

    def _differences(self) -> Iterator[tuple[str, str]]:
        """Each difference, and the action of ALTER TABLE that changes it."""
        wanted, rename = self.wanted, f"RENAME TO {quote(suffixed(self.wanted.name, '_before'))}"
        if self.kind not in _TABLES:
            yield f"{wanted.name}: expected a table, found a relation of kind {self.kind!r}", rename
            return
        key = f"{wanted.name}: expected the primary key {_shown(wanted.key)}, found {_shown(self.key)}"
        if any(self.types[name][0] is None for name in wanted.key):
            yield key, rename  # rows without a key cannot be kept
            return
        for name, (found, expected) in self.types.items():
            if found not in (None, expected):
                action = f"ALTER COLUMN {quote(name)} TYPE {expected} USING {_cast(quote(name), found, expected)}"
                yield f"{wanted.name}.{name}: expected the type {expected}, found {found}", action
        for name, problem, action in self.unwritable:
            yield f"{wanted.name}.{name}: expected a column that a load can write, found {problem}", action
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
    """A column's value as another type; a time without a zone is in UTC, whatever the session's zone."""
    naive = found.endswith("without time zone") and expected == "timestamp with time zone"
    return f"{column} AT TIME ZONE 'UTC'" if naive else f"{column}::{expected}"


def _shown(key: tuple[str, ...]) -> str:
    return f"({', '.join(key)})" if key else "none"
