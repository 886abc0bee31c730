"""The load strategy `swap`: shadows get all indexes and constraints of their tables, and replace the partitions."""

from dataclasses import dataclass
from functools import cached_property

from demand_pipeline.contracts.loading import Again
from demand_pipeline.errors import PipelineError
from demand_pipeline.load.checks import ANY_SHRINKAGE
from demand_pipeline.load.context import Changes, TableLoad
from demand_pipeline.load.strategy import LoadStrategy
from demand_pipeline.load.swap.builds import Builder, find_builds
from demand_pipeline.load.swap.checks import refuse_unswappable
from demand_pipeline.load.swap.exchange import exchange, lock_tables
from demand_pipeline.load.swap.gate import wait_for_snapshots
from demand_pipeline.load.swap.grants import grant_previous
from demand_pipeline.load.swap.parent import create_parent, is_missing
from demand_pipeline.load.swap.previous import discard_previous
from demand_pipeline.load.swap.shadow import align, create_shadows
from demand_pipeline.load.swap.slots import Slot, parents_of, slots_of
from demand_pipeline.load.warehouse.schema import TableSchema, count_rows
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Statements

statement = Statements(__package__)

_BUILD_SECONDS = 30  # between calls that wait for builds


@dataclass(frozen=True)
class Swap(LoadStrategy):
    """A load without statements whose time grows with the tables and that must end within one function's time."""

    @cached_property
    def slots(self) -> list[Slot]:
        """The slots of the tables' rows and of their rejected items."""
        return slots_of(self.context.shadows.warehouse, [table.schema for table in self.context.tables])

    def ensure_tables(self, schemas: tuple[TableSchema, ...]) -> dict[str, tuple[str, ...]]:
        """Create missing tables as partitioned parents; raises SwapRefusedError if a swap is impossible."""
        connection = self.context.connection
        parents = parents_of([slot for slot in self.slots if slot.schema in schemas])
        self.context.shadows.ensure_schema()
        missing = [slot for slot in parents if is_missing(connection, slot.parent)]
        for slot in missing:
            create_parent(connection, slot)
        additions = super().ensure_tables(schemas)
        is_rehearsed = self.context.shadows.ledger.exists()  # then an earlier call has rehearsed the swap
        refuse_unswappable(connection, [slot for slot in parents if slot not in missing], is_rehearsed=is_rehearsed)
        return additions

    def count_previous(self, table: TableLoad) -> int:
        """Count the rows if a limit depends on the number; otherwise use the last run's count, if there is one."""
        if self.request.max_shrink_percent < ANY_SHRINKAGE:
            return count_rows(self.context.connection, table.target)
        warehouse = self.context.shadows.warehouse
        loaded = self.context.connection.query(statement("last_loaded", schema=warehouse), table=table.name)
        return int(loaded[0][0]) if loaded else count_rows(self.context.connection, table.target)

    def create_shadows(self) -> None:
        """Create shadows like their parents."""
        create_shadows(self.context.shadows, self.slots)

    def complete_shadows(self) -> Again | None:
        """Build indexes, primary keys and foreign keys."""
        builder = Builder(self.context.shadows, self.context.settings, self.context.guard.deadline)
        return None if builder.build(self.slots) else Again(_BUILD_SECONDS, "indexes to build")

    def wait(self) -> Again | None:
        """Wait for snapshots that would not show the new rows; raises LockTimeoutError."""
        if not self.request.dry_run:
            wait_for_snapshots(self.context.connection, self.context.shadows.ledger.table)
        return None

    def prepare_rows(self) -> Again | None:
        """Lock writers out and align the shadows; `Again` if an index was added to a table since the builds."""
        for table in self.context.tables:
            table.changes = Changes(inserted=table.rows, updated=0, deleted=table.previous_rows, rows=table.rows)
        if self.request.dry_run:
            return None
        connection, shadows = self.context.connection, self.context.shadows
        with self.context.guard.step(f"all {self.context.rows} rows checked, tables not yet swapped"):
            discard_previous(shadows, self.slots)  # of a run that committed after this load discarded them
            lock_tables(connection, self.slots)
            for slot in self.slots:
                align(connection, slot.parent, shadows.rows(slot.name), slot.schema.names)
                if find_builds(connection, slot, shadows.rows(slot.name)):
                    return Again(1, "an index or a foreign key that was added since the builds")
        return None

    def publish(self) -> None:
        """Lock readers out, add missing columns, and swap; raises LockTimeoutError."""
        if not self.request.dry_run:
            with self.context.guard.step(f"all {self.context.rows} rows checked, tables not yet swapped"):
                shadows, keep_previous = self.context.shadows, self.request.keep_previous
                exchange(shadows, self.slots, self.context.add_columns, keep_previous=keep_previous)

    def settle(self) -> list[str]:
        """Grant access to the former rows, and analyse the tables."""
        return [] if self.request.dry_run else settle(self.context.connection, self.slots)


def settle(connection: Connection, slots: list[Slot]) -> list[str]:
    """Grant access to the former rows, and analyse the parents, since autovacuum does not.

    This runs after a commit, so a failure does not fail the run.
    """
    try:
        grant_previous(connection, slots)
        for slot in parents_of(slots):
            connection.execute(statement("analyze", table=slot.parent))
    except PipelineError as error:
        logger.warning("tables were swapped, but not analysed", error=str(error))
        return [f"the tables were swapped, but not analysed: {error}"]
    return []
