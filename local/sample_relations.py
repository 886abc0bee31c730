"""Relations between the sample's tables, derived from the names of their attributes.

A column with the name of another table's partition key refers to that table. An item repeats the identifiers of the
item that it refers to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from demand_pipeline.tables import Column, Table
from local.sample_values import identifies

# Partition and sort key of six consecutive items: partitions of one, two and three items.
_PARTITIONS = ((1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3))


@dataclass(frozen=True)
class Relations:
    """Tables: the first has `size` items, and a table that refers to another has two items per key of the other."""

    tables: Sequence[Table]
    size: int

    def items(self, table: Table) -> int:
        """Return the number of items of a table."""
        owner = self.owner(table, table.key[0])
        if owner is not None and table is not self.tables[0]:
            return 2 * self.partitions(owner)
        refers = any(self.owner(table, column) for column in table.columns)
        return 2 * self.size if refers and table is not self.tables[0] else self.size

    def partitions(self, table: Table) -> int:
        """Return the number of partition keys of a table; they are numbered from 1."""
        return key_number(table, table.key[0], self.items(table))

    def owner(self, table: Table, column: Column) -> Table | None:
        """Return the other table whose partition key the column is, preferably its whole key."""
        if column.key and len(table.key) == 1:
            return None
        owners = [other for other in self.tables if _same_attribute(other.key[0], column)]
        owner = min(owners, key=lambda other: len(other.key), default=table)
        return None if owner is table else owner

    def repeated(self, table: Table, column: Column) -> tuple[Column, Table, Column] | None:
        """Return the origin of an identifier: the column that refers to another table, that table, and its column."""
        if column.key:
            return None
        for reference in table.columns:
            owner = self.owner(table, reference)
            if owner is not None and len(owner.key) == 1:
                for theirs in owner.columns:
                    refers = identifies(theirs) or self.owner(owner, theirs) is not None
                    if refers and not theirs.key and _same_attribute(theirs, column):
                        return reference, owner, theirs
        return None


def key_number(table: Table, column: Column, number: int) -> int:
    """Return the number of a key column's value for an item's number; every item of a table has a different key."""
    if len(table.key) == 1:
        return number
    whole, rest = divmod(number - 1, len(_PARTITIONS))
    partition, within = _PARTITIONS[rest]
    return 3 * whole + partition if column is table.key[0] else within


def _same_attribute(one: Column, other: Column) -> bool:
    return (one.path, one.type) == (other.path, other.type)
