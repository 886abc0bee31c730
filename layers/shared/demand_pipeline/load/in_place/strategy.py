"""The course of the load strategies `truncate` and `merge`: the last transaction writes all rows."""

from collections.abc import Iterator
from dataclasses import dataclass

from demand_pipeline.contracts.loading import Again, Strategy
from demand_pipeline.errors import SchemaMismatchError
from demand_pipeline.load.checks import check_rows
from demand_pipeline.load.context import TableLoad
from demand_pipeline.load.in_place import merge, truncate
from demand_pipeline.load.strategy import LoadStrategy
from demand_pipeline.load.warehouse.control_tables import replace_rejects
from demand_pipeline.load.warehouse.problem import Problem
from demand_pipeline.load.warehouse.schema import TableSchema, count_rows
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements

statement = Statements(__package__)

_REPLACE_ROWS = {Strategy.TRUNCATE: truncate.replace_rows, Strategy.MERGE: merge.replace_rows}


@dataclass(frozen=True)
class InPlace(LoadStrategy):
    """A load whose last transaction writes all rows, within the time of one function."""

    def ensure_tables(self, schemas: tuple[TableSchema, ...]) -> dict[str, tuple[str, ...]]:
        """Also refuse tables that the strategy cannot write; raises SchemaMismatchError."""
        additions = super().ensure_tables(schemas)
        tables = [table.target for table in self.context.tables if table.schema in schemas]
        if found := list(find_obstacles(self.context.connection, tables, self.request.strategy)):
            raise SchemaMismatchError(" ".join([f"{table}: {problem}" for table, problem in found]))
        return additions

    def count_previous(self, table: TableLoad) -> int:
        """Count the table's rows."""
        return count_rows(self.context.connection, table.target)

    def create_shadows(self) -> None:
        """Create shadows that the load only reads from."""
        self.context.shadows.create([table.schema for table in self.context.tables])

    def complete_shadows(self) -> Again | None:
        """Do nothing: the load reads the shadows as they are."""
        return None

    def wait(self) -> Again | None:
        """Do nothing: LOCK TABLE waits itself."""
        return None

    def prepare_rows(self) -> Again | None:
        """Write all rows and rejected items; `truncate` locks readers out, `merge` does not."""
        context = self.context
        with context.guard.step(f"all {context.rows} rows checked, none written to the target"):
            rejects = {table.name: context.shadows.rejects(table.name) for table in context.tables}
            replace_rejects(context.connection, context.shadows.warehouse, rejects)
        _REPLACE_ROWS[self.request.strategy](context)
        for table in context.tables:
            check_rows(table.name, table.rows, table.changes.rows, "in the table")
        return None

    def publish(self) -> None:
        """Do nothing: the commit publishes the rows."""

    def settle(self) -> list[str]:
        """Analyse partitioned tables, since autovacuum does not."""
        connection = self.context.connection
        for table in self.context.tables:
            if not self.request.dry_run and connection.query(statement("is_partitioned"), relation=table.target):
                connection.execute(statement("analyze", table=table.target))
        return []


def find_obstacles(connection: Connection, tables: list[Sql], strategy: Strategy) -> Iterator[tuple[str, Problem]]:
    """Yield the problems that prevent writing to the tables in place."""
    if strategy is Strategy.TRUNCATE:
        for table, owner, name, removal in connection.query(statement("incoming_foreign_keys"), relations=tables):
            text = f"the foreign key {name} of {owner} refers to it, so {strategy} cannot replace its rows"
            yield table, Problem(text, removal)
    for table, removal in connection.query(statement("forced_row_security"), relations=tables):
        yield table, Problem("its row security applies to its owner too, so a load would miss rows", removal)
