"""Declarations of warehouse tables: the only place that names their columns.

DDL, COPY column list, conversion, data dictionary and sample data all derive from a `Table`.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

# PostgreSQL: an index entry has at most 2,704 bytes, headers included. DynamoDB's partition
# and sort key may have 2,048 + 1,024 bytes.
MAX_KEY_BYTES = 2_600
MAX_BYTES_A_CHARACTER = 4  # in UTF-8
# PostgreSQL truncates longer names silently (NAMEDATALEN), so they would not be found again.
MAX_NAME_BYTES = 63

type ItemPath = tuple[str | int, ...]
"""The path from an item to a value: attribute names, and indexes of list elements."""


class ColumnType(StrEnum):
    """The PostgreSQL types that an item's attributes are converted to."""

    TEXT = "text"
    NUMERIC = "numeric"
    BIGINT = "bigint"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMPTZ = "timestamptz"
    TEXT_ARRAY = "text[]"
    NUMERIC_ARRAY = "numeric[]"
    JSONB = "jsonb"
    BYTEA = "bytea"


_ARRAYS = (ColumnType.TEXT_ARRAY, ColumnType.NUMERIC_ARRAY)
# DynamoDB: a key is a string, a number or binary. Maps the type of a key column to the attribute types it accepts.
_KEY_TYPES = {
    ColumnType.TEXT: ("S", "N"),
    ColumnType.NUMERIC: ("N", "S"),
    ColumnType.BIGINT: ("N", "S"),
    ColumnType.DATE: ("S",),
    ColumnType.TIMESTAMPTZ: ("S", "N"),
    ColumnType.BYTEA: ("B", "S"),
}
_MOST_KEY_COLUMNS = 2  # DynamoDB: partition and sort key

# Table names are part of S3 keys, names of states and SQL.
# The names of shadows of rejects are 21 bytes longer (`load/copy/shadows.py`).
MAX_TABLE_NAME_BYTES = MAX_NAME_BYTES - 21
_is_table_name = re.compile(rf"[a-z][a-z0-9_]{{,{MAX_TABLE_NAME_BYTES - 1}}}").fullmatch
_is_source_name = re.compile(r"[A-Za-z0-9_.-]{3,255}").fullmatch  # DynamoDB: naming rules
_OWN_TABLES = (
    "rejected_items",
    "pipeline_runs",
    "pipeline_run_tables",
    "pipeline_run_attributes",
    "pipeline_freshness",
    "pipeline_ledger",
)
_OWN_PREFIX = "rejects_"
# PostgreSQL: every table has these system columns.
_SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")


@dataclass(frozen=True, slots=True)
class Column:
    """One warehouse column.

    `source` is the path of its value. A string is an attribute's name; a `.` goes into a map. A tuple is the path
    itself, for names with dots and for elements of lists: `("lines", 0, "unit.price")`. `examples` are possible
    values as plain text: the data dictionary shows them, and the sample data uses them.
    """

    name: str
    type: ColumnType
    source: str | ItemPath
    description: str = ""
    examples: tuple[str, ...] = ()
    key: bool = False

    @property
    def path(self) -> ItemPath:
        """The attribute names and list indexes from the item down to the value."""
        return tuple(self.source.split(".")) if isinstance(self.source, str) else self.source

    @property
    def attribute(self) -> str:
        """The item's attribute that contains the value; a key column reads the whole attribute."""
        return str(self.path[0])


@dataclass(frozen=True, slots=True)
class Table:
    """One warehouse table and its DynamoDB table (`source`).

    Raises ValueError for an invalid declaration, with table, column and reason.
    """

    name: str
    source: str
    description: str
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ValueError(f"{self.name}{problem}")

    @property
    def key(self) -> tuple[Column, ...]:
        """The primary key: the columns of the source's partition and sort key, in that order."""
        return tuple(column for column in self.columns if column.key)

    def key_problem(self, found: Mapping[str, str]) -> str | None:
        """Return why a source's key, DynamoDB types by attribute, is not the declared key; None if it is."""
        declared = [column.attribute for column in self.key]
        if found.keys() != set(declared):
            expected = f"the key {', '.join(declared)}, as {self.name} is declared"
            return f"expected {expected}, found {', '.join(found) or 'none'}"
        for column in self.key:
            name, types = column.attribute, _KEY_TYPES[column.type]
            if found[name] not in types:
                return f"expected {name} of type {' or '.join(types)}, as {self.name} is declared, found {found[name]}"
        return None

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The declared columns, then `extra`: the order of staged rows and of COPY."""
        return (*self.columns, EXTRA)

    @property
    def fingerprint(self) -> str:
        """A digest of names and types of the columns: staged rows can be loaded only if it is the same."""
        columns = json.dumps([(column.name, column.type) for column in self.stored_columns])
        return hashlib.sha256(columns.encode()).hexdigest()[:16]


EXTRA = Column("extra", ColumnType.JSONB, "", "Attributes that no column reads; null when there are none.")


def camel_case(name: str) -> str:
    """Return a name as part of the name of a state, function or parameter: `line_items` becomes `LineItems`."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", name))


def registry(*tables: Table) -> dict[str, Table]:
    """Return the tables by name; raises ValueError if names or sources differ only in case and punctuation.

    Names of states, functions and parameters contain only their letters and digits.
    """
    for field in ("name", "source"):
        seen: dict[str, Table] = {}
        for table in tables:
            name = getattr(table, field)
            if other := seen.get(plain := camel_case(name).lower()):
                raise ValueError(f"{table.name}: the {field} {name!r} is already used by {other.name}")
            seen[plain] = table
    return {table.name: table for table in tables}


def table_name_problem(name: str) -> str | None:
    """Why a warehouse table cannot have this name; None if it can."""
    if not _is_table_name(name):
        expected = f"at most {MAX_TABLE_NAME_BYTES} lower case letters, digits and underscores, a letter first"
        return f"expected a table name of {expected}, got {name!r}"
    if name in _OWN_TABLES or name.startswith(_OWN_PREFIX):
        return f"the table name {name} is reserved for the pipeline"
    return None


def _problems(table: Table) -> Iterator[str]:
    """Yield the problems of a declaration, as the rest of a message that starts with the table's name."""
    yield from _name_problems(table)
    if not table.key:
        yield ": at least one column must be a key column"
    if len(table.key) > _MOST_KEY_COLUMNS:
        yield f": expected at most {_MOST_KEY_COLUMNS} key columns, like DynamoDB, got {len(table.key)}"
    for name, times in Counter(column.name for column in table.columns).items():
        if times > 1:
            yield f": column {name} is declared twice"
    for column in table.columns:
        for problem in chain(_column_problems(column), _source_problems(column)):
            yield f".{column.name}: {problem}"
    yield from _list_problems(table.columns)
    for column in table.columns:
        if not column.description:
            yield f".{column.name}: the description is missing"
    if not table.description:
        yield ": the description is missing"


def _name_problems(table: Table) -> Iterator[str]:
    if problem := table_name_problem(table.name):
        yield f": {problem}"
    if not _is_source_name(table.source):
        yield f": expected a DynamoDB table's name of 3 to 255 characters as the source, got {table.source!r}"
    if EXTRA.name in [column.name for column in table.columns]:
        yield f": the column name {EXTRA.name} is reserved: every table has this column"


def _column_problems(column: Column) -> Iterator[str]:
    if not column.name or "\0" in column.name or len(column.name.encode()) > MAX_NAME_BYTES:
        yield f"expected a column name of 1 to {MAX_NAME_BYTES} bytes, got {column.name!r}"
    if column.name in _SYSTEM_COLUMNS:
        yield f"the column name {column.name} is reserved: every table of PostgreSQL has this column"
    if not isinstance(column.type, ColumnType):
        yield f"expected a ColumnType, one of {', '.join(ColumnType)}, got {column.type!r}"
    if column.key and column.type not in _KEY_TYPES:
        yield f"expected one of the types {', '.join(_KEY_TYPES)} for a key column, got {column.type}"


def _source_problems(column: Column) -> Iterator[str]:
    source = column.source
    if isinstance(source, str):
        if not all(source.split(".")):
            yield f"expected attribute names joined by dots, got {source!r}"
        if "[" in source:
            yield f"expected a tuple such as ('lines', 0, 'sku') for an element of a list, got {source!r}"
    elif not isinstance(source, tuple) or not source or not all(map(_is_step, source)):
        yield f"expected a string, or a tuple of names and indexes from 0, got {source!r}"
    elif not isinstance(source[0], str):
        yield f"expected an attribute's name before an index, got {source!r}"
    if column.key and len(column.path) > 1:
        yield f"expected a top-level attribute for a key, got {source!r}; for an attribute 'a.b', write ('a.b',)"


def _is_step(step: object) -> bool:
    return (isinstance(step, str) and step != "") or (type(step) is int and step >= 0)


def _list_problems(columns: tuple[Column, ...]) -> Iterator[str]:
    """Yield columns that use a name where other columns expect a list, to index it or to convert it to an array."""
    lists = {column.path for column in columns if column.type in _ARRAYS}
    lists |= {column.path[:i] for column in columns for i, step in enumerate(column.path) if isinstance(step, int)}
    for column in columns:
        for i, step in enumerate(column.path):
            if isinstance(step, str) and column.path[:i] in lists:
                yield f".{column.name}: expected an index into the list {column.path[:i]}, got {step!r}"
