"""How a warehouse table is declared: the one place its columns are named.

DDL, COPY column list, conversion, data dictionary and sample data all derive from a `Table`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

# PostgreSQL: an index entry holds at most 2,704 bytes, headers included. DynamoDB's partition
# and sort key may have 2,048 + 1,024 together.
MAX_KEY_BYTES = 2_600
MAX_BYTES_A_CHARACTER = 4  # in UTF-8


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


@dataclass(frozen=True, slots=True)
class Column:
    """One warehouse column.

    `source` is the attribute's name in the item; a `.` goes into a map. `examples` are values
    an attribute may have, as plain text: shown in the data dictionary, drawn from by the sample
    data.
    """

    name: str
    type: ColumnType
    source: str
    description: str
    examples: tuple[str, ...] = ()
    key: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """The attribute names from the item down to the value."""
        return tuple(self.source.split("."))


@dataclass(frozen=True, slots=True)
class Table:
    """One warehouse table and the DynamoDB table (`source`) it is refreshed from.

    Raises ValueError for a declaration that cannot work.
    """

    name: str
    source: str
    description: str
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        if not self.key:
            raise ValueError(f"{self.name}: expected at least one key column, got none")
        names = [column.name for column in self.columns]
        for column in self.columns:
            where = f"{self.name}.{column.name}"
            if names.count(column.name) > 1:
                raise ValueError(f"{self.name}: expected each column once, got {column.name} twice")
            if column.name == EXTRA.name:
                raise ValueError(f"{self.name}: expected no column named {EXTRA.name}, which is every table's own")
            if not all(column.path):
                raise ValueError(f"{where}: expected attribute names joined by dots, got {column.source!r}")
            if column.key and len(column.path) > 1:
                raise ValueError(f"{where}: expected a key at the item's top, got {column.source!r}")

    @property
    def key(self) -> tuple[Column, ...]:
        """The primary key: the columns of the source's partition and sort key, in that order."""
        return tuple(column for column in self.columns if column.key)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The declared columns, then `extra`: the order of staged rows and of COPY."""
        return (*self.columns, EXTRA)


EXTRA = Column("extra", ColumnType.JSONB, "", "Attributes that no column reads; null when there are none.")


def camel_case(name: str) -> str:
    """A name as part of a state's, a function's or a parameter's: `line_items` is `LineItems`."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", name))
