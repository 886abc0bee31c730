"""A load by swap, step by step: parents, shadows, builds, the snapshot gate, the exchange, and what comes after it."""

from collections.abc import Iterable
from dataclasses import dataclass

from demand_pipeline.contracts.event import Run
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import PipelineError
from demand_pipeline.load.context import LoadContext
from demand_pipeline.load.control_tables import refuse_stale
from demand_pipeline.load.locks import acquire_load_lock
from demand_pipeline.load.schema import TableSchema
from demand_pipeline.load.shadows import Shadows
from demand_pipeline.load.swap.builds import Builder, find_builds
from demand_pipeline.load.swap.checks import refuse_unswappable
from demand_pipeline.load.swap.exchange import exchange, lock_tables
from demand_pipeline.load.swap.parent import create_parent, is_missing
from demand_pipeline.load.swap.previous import drop_previous, grant
from demand_pipeline.load.swap.shadow import align, create_shadows
from demand_pipeline.load.swap.slots import Slot, parents_of, slots_of
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import statement
from demand_pipeline.settings import PostgresSettings


@dataclass(frozen=True, slots=True)
class Swap:
    """What the load does otherwise if rows are swapped in."""

    shadows: Shadows
    slots: list[Slot]
    keep_previous: bool

    @classmethod
    def of(cls, shadows: Shadows, tables: Iterable[TableSchema], *, keep_previous: bool) -> "Swap":
        """The swap of a run's tables and their rejected items."""
        return cls(shadows, slots_of(shadows.warehouse, tables), keep_previous)

    @property
    def connection(self) -> Connection:
        """The session of the load."""
        return self.shadows.connection

    def create_parents(self, *, of_rejects: bool) -> None:
        """Create the missing parents of rows, or that of rejected items."""
        self.shadows.ensure_schema()
        for slot in parents_of(self.slots):
            if slot.holds_rejects is of_rejects and is_missing(self.connection, slot.parent):
                create_parent(self.connection, slot)

    def refuse(self) -> None:
        """Raise SwapRefusedError if a table has something that a swap would break or lose."""
        refuse_unswappable(self.connection, self.slots)

    def previous_rows(self, table: str) -> int | None:
        """How many rows the last run loaded; None if no run did: then somebody has to count."""
        loaded = self.connection.query(statement("last_loaded", schema=self.shadows.warehouse), table=table)
        return int(loaded[0][0]) if loaded else None

    def create_shadows(self) -> None:
        """Create what is missing of the shadows."""
        create_shadows(self.shadows, self.slots)

    def build(self, settings: PostgresSettings, deadline: Deadline) -> bool:
        """Go on with what the shadows lack; False if it is not over."""
        return Builder(self.shadows, settings, deadline).build(self.slots)

    def lock(self) -> bool:
        """Lock writers out of the tables; False if somebody has given them an index since the builds."""
        lock_tables(self.connection, self.slots)
        for slot in self.slots:
            align(self.connection, slot.parent, self.shadows.rows(slot.name), slot.schema.names)
        suffix = self.shadows.suffix
        return not any(find_builds(self.connection, slot, self.shadows.rows(slot.name), suffix) for slot in self.slots)

    def exchange(self, context: LoadContext) -> None:
        """Lock readers out, add missing columns, and swap; raises LockTimeoutError."""
        exchange(self.shadows, self.slots, context.add_columns, keep_previous=self.keep_previous)

    def settle(self) -> None:
        """After the commit."""
        settle(self.connection, self.slots)


def settle(connection: Connection, slots: list[Slot]) -> None:
    """After a commit: grants on the former rows, and the parents' statistics, which autovacuum does not make.

    Nothing of it fails the run.
    """
    try:
        grant(connection, slots)
        for slot in parents_of(slots):
            connection.execute(statement("analyze", table=slot.parent))
    except PipelineError as error:
        logger.warning("tables were swapped, but not analysed", error=str(error))


def make_way(connection: Connection, warehouse: str, run: Run, slots: list[Slot], *, force: bool) -> None:
    """Drop the rows that the last swap has replaced, in a transaction of its own; raises StaleRunError."""
    if all(is_missing(connection, slot.previous) for slot in slots):
        return
    connection.execute(statement("begin"))
    acquire_load_lock(connection, warehouse)
    if not force:
        refuse_stale(connection, warehouse, run)
    drop_previous(connection, slots)
    connection.execute("COMMIT")
