"""Slots, the partitions that a swap exchanges: one for each table's rows, and one for its rejected items.

A table's parent has one partition for all keys. `rejected_items` has one partition per table, and a default partition
for the rejects that other strategies load. Partitions are in the pipeline's schema: `<table>_current`, and
`<table>_previous` after a swap; the partitions of rejected items are `rejects_<table>_…`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from demand_pipeline.load.copy.shadows import REJECTS_PREFIX
from demand_pipeline.load.warehouse.control_tables import REJECTED_ITEMS
from demand_pipeline.load.warehouse.schema import TableSchema, pipeline_schema
from demand_pipeline.postgres.statements import Sql, qualified, quote

# Bounds in PostgreSQL's notation (pg_get_expr of relpartbound).
EVERY_KEY = Sql("FOR VALUES FROM (MINVALUE) TO (MAXVALUE)")
DEFAULT = Sql("DEFAULT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A partition to exchange, for a declared table: `bound` is its bound in the parent, the table of `schema`.

    `name` is the prefix of the partition's names.

    `check` is the condition that the bound imposes on a row. It is a CHECK of a shadow, so that attaching it reads no
    row; None if the primary key implies it. `first_name` and `first_bound` apply to a plain table that is converted.
    """

    warehouse: str
    table: str
    schema: TableSchema
    name: str
    partitioned_by: str
    partition_by: Sql
    bound: Sql
    first_name: str
    first_bound: Sql
    check: Sql | None = None

    @property
    def parent(self) -> Sql:
        """The parent, quoted."""
        return qualified(self.warehouse, self.schema.name)

    @property
    def pipeline(self) -> str:
        """The schema of the partitions."""
        return pipeline_schema(self.warehouse)

    @property
    def current_name(self) -> str:
        """The name of the partition after a swap has attached it."""
        return f"{self.name}_current"

    @property
    def previous_name(self) -> str:
        """The name of the partition that the last swap detached."""
        return f"{self.name}_previous"

    @property
    def current(self) -> Sql:
        """The current partition, quoted."""
        return qualified(self.pipeline, self.current_name)

    @property
    def previous(self) -> Sql:
        """The former partition, quoted."""
        return qualified(self.pipeline, self.previous_name)

    @property
    def first(self) -> Sql:
        """The partition that a converted plain table becomes, quoted."""
        return qualified(self.pipeline, self.first_name)

    @property
    def holds_rejects(self) -> bool:
        """Whether the slot is a partition of `rejected_items`."""
        return self.check is not None


def rows_slot(warehouse: str, schema: TableSchema) -> Slot:
    """Return the slot of a table's rows, partitioned by the key's first column, which is never null."""
    column = schema.key[0]
    return Slot(
        warehouse=warehouse,
        table=schema.name,
        schema=schema,
        name=schema.name,
        partitioned_by=column,
        partition_by=Sql(f"RANGE ({quote(column)})"),
        bound=EVERY_KEY,
        first_name=f"{schema.name}_current",
        first_bound=EVERY_KEY,
    )


def rejects_slot(warehouse: str, table: str) -> Slot:
    """Return the slot of a table's rejected items."""
    value = f"'{table}'"  # the declaration allows only letters, digits and underscores
    return Slot(
        warehouse=warehouse,
        table=table,
        schema=REJECTED_ITEMS,
        name=REJECTS_PREFIX + table,
        partitioned_by="table_name",
        partition_by=Sql('LIST ("table_name")'),
        bound=Sql(f"FOR VALUES IN ({value})"),
        first_name=f"{REJECTED_ITEMS.name}_default",
        first_bound=DEFAULT,
        check=Sql(f"table_name IS NOT NULL AND table_name OPERATOR(pg_catalog.=) {value}"),
    )


def slots_of(warehouse: str, tables: Iterable[TableSchema]) -> list[Slot]:
    """Return the slots of the tables' rows, then the slots of their rejected items."""
    tables = list(tables)
    rows = [rows_slot(warehouse, table) for table in tables]
    return [*rows, *(rejects_slot(warehouse, table.name) for table in tables)]


def parents_of(slots: Iterable[Slot]) -> list[Slot]:
    """Return one slot for each parent."""
    return list({slot.parent: slot for slot in slots}.values())
