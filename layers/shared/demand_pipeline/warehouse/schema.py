"""The warehouse's tables as their declarations want them: created, extended, checked.

Columns that somebody added by hand are left alone: a load fills them with their default, or null.
"""

from dataclasses import dataclass
from typing import Self

from demand_pipeline.errors import SchemaMismatchError
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import column_list, qualified, quote, statement
from demand_pipeline.tables import Column, ColumnType, Table

# pg_class.relkind: an ordinary and a partitioned table can be loaded.
_TABLES = ("r", "p")


@dataclass(frozen=True, slots=True)
class Layout:
    """A table in PostgreSQL: column names with types, in order, and the primary key (empty: none)."""

    name: str
    columns: tuple[tuple[str, ColumnType], ...]
    key: tuple[str, ...]

    @classmethod
    def of(cls, table: Table) -> Self:
        """The layout of a declared table, `extra` included."""
        return cls.from_columns(table.name, table.stored_columns)

    @classmethod
    def from_columns(cls, name: str, columns: tuple[Column, ...]) -> Self:
        """The layout of any declared columns."""
        return cls(
            name=name,
            columns=tuple((column.name, column.type) for column in columns),
            key=tuple(column.name for column in columns if column.key),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(name for name, _ in self.columns)

    def definition(self) -> str:
        """What stands between the parentheses of CREATE TABLE, without the key."""
        return ", ".join([f"{quote(name)} {column_type}" for name, column_type in self.columns])


def create_table(schema: str, layout: Layout) -> str:
    """The statement that makes the table."""
    key = f", PRIMARY KEY ({column_list(layout.key)})" if layout.key else ""
    return f"CREATE TABLE {qualified(schema, layout.name)} ({layout.definition()}{key})"


def ensure_schema(connection: Connection, schema: str) -> None:
    """Create the schema if it is missing; asking first needs no privilege on the database."""
    if not connection.query("SELECT FROM pg_namespace WHERE nspname = :schema", schema=schema):
        connection.execute(statement("create_schema", schema=schema))


def prepare(connection: Connection, schema: str, layouts: tuple[Layout, ...]) -> list[str]:
    """Create the missing tables, check the others, and return the statements that add missing columns.

    Those take an exclusive lock, so the caller runs them when it holds it anyway. Raises
    SchemaMismatchError naming table, column, found and expected.
    """
    additions: list[str] = []
    for layout in layouts:
        relation = qualified(schema, layout.name)
        found = connection.query(statement("relation"), relation=relation)
        if not found:
            connection.execute(create_table(schema, layout))
            logger.info("table created", table=layout.name)
            continue
        [[kind, key]] = found
        _check_relation(layout, kind, tuple(key or ()))
        for name in _missing_columns(connection, relation, layout):
            additions.append(f"ALTER TABLE {relation} ADD COLUMN {quote(name)} {dict(layout.columns)[name]}")
            logger.info("column missing, will be added", table=layout.name, column=name)
    return additions


def _check_relation(layout: Layout, kind: str, key: tuple[str, ...]) -> None:
    if kind not in _TABLES:
        raise SchemaMismatchError(f"{layout.name}: expected a table, found a relation of kind {kind!r}")
    if key != layout.key:
        raise SchemaMismatchError(f"{layout.name}: expected the primary key {_shown(layout.key)}, found {_shown(key)}")


def _missing_columns(connection: Connection, relation: str, layout: Layout) -> list[str]:
    rows = connection.query(
        statement("columns"),
        relation=relation,
        declared_names=list(layout.names),
        declared_types=[str(column_type) for _, column_type in layout.columns],
    )
    for name, found, expected in rows:
        if found not in (None, expected):
            raise SchemaMismatchError(f"{layout.name}.{name}: expected the type {expected}, found {found}")
    return [name for name, found, _ in rows if found is None]


def _shown(key: tuple[str, ...]) -> str:
    return f"({', '.join(key)})" if key else "none"
