"""What a swap exchanges: for each table its rows and its rejected items, each one partition of a parent.

A table's parent has one partition for all keys. `rejected_items` has one per table, and a default one for the rejects
of other strategies' loads. Partitions lie in the pipeline's schema: `<table>_current`, and `<table>_previous` once
they are replaced; those of rejected items are `rejects_<table>_…`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from demand_pipeline.load.control_tables import REJECTED_ITEMS
from demand_pipeline.load.schema import TableSchema
from demand_pipeline.load.shadows import REJECTS_PREFIX, pipeline_schema
from demand_pipeline.postgres.statements import Sql, qualified, quote

# Bounds as PostgreSQL shows them (pg_get_expr of relpartbound).
EVERY_KEY = Sql("FOR VALUES FROM (MINVALUE) TO (MAXVALUE)")
DEFAULT = Sql("DEFAULT")


@dataclass(frozen=True, slots=True)
class Slot:
    """A partition to exchange, for a declared table: `bound` is its place in the parent, the table of `schema`.

    `name` is what the partition's names begin with.

    `check` is what the bound demands of a row. A shadow has it as a CHECK, so that attaching it reads no row; None:
    the primary key says it already. `first_name` and `first_bound` are for a plain table that is converted.
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
        """The table."""
        return qualified(self.warehouse, self.schema.name)

    @property
    def pipeline(self) -> str:
        """The schema of the partitions."""
        return pipeline_schema(self.warehouse)

    @property
    def current_name(self) -> str:
        """The name of the partition, once a swap has attached it."""
        return f"{self.name}_current"

    @property
    def previous_name(self) -> str:
        """The name of the partition that the last swap has detached."""
        return f"{self.name}_previous"

    @property
    def current(self) -> Sql:
        """The partition."""
        return qualified(self.pipeline, self.current_name)

    @property
    def previous(self) -> Sql:
        """The former partition."""
        return qualified(self.pipeline, self.previous_name)

    @property
    def first(self) -> Sql:
        """The partition that a conversion makes of a plain table."""
        return qualified(self.pipeline, self.first_name)

    @property
    def holds_rejects(self) -> bool:
        """Whether it is a part of `rejected_items`."""
        return self.check is not None


def rows_slot(warehouse: str, schema: TableSchema) -> Slot:
    """Where a table's rows are; partitioned by the key's first column, which no row lacks."""
    column = schema.key[0]
    current = f"{schema.name}_current"
    by = Sql(f"RANGE ({quote(column)})")
    return Slot(warehouse, schema.name, schema, schema.name, column, by, EVERY_KEY, current, EVERY_KEY)


def rejects_slot(warehouse: str, table: str) -> Slot:
    """Where a table's rejected items are."""
    value = f"'{table}'"  # letters, digits and underscores: the declaration says so
    return Slot(
        warehouse,
        table,
        REJECTED_ITEMS,
        REJECTS_PREFIX + table,
        "table_name",
        Sql('LIST ("table_name")'),
        Sql(f"FOR VALUES IN ({value})"),
        f"{REJECTED_ITEMS.name}_default",
        DEFAULT,
        Sql(f"table_name IS NOT NULL AND table_name OPERATOR(pg_catalog.=) {value}"),
    )


def slots_of(warehouse: str, tables: Iterable[TableSchema]) -> list[Slot]:
    """The slots of tables: their rows', then their rejected items'."""
    tables = list(tables)
    rows = [rows_slot(warehouse, table) for table in tables]
    return [*rows, *(rejects_slot(warehouse, table.name) for table in tables)]


def parents_of(slots: Iterable[Slot]) -> list[Slot]:
    """One slot for each parent."""
    return list({slot.parent: slot for slot in slots}.values())
