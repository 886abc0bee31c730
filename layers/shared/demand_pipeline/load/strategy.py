"""The interface of a load strategy: how it creates shadows, and how it replaces the tables' rows with theirs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from demand_pipeline.contracts.loading import Again, LoadRequest
from demand_pipeline.load.context import LoadContext, TableLoad
from demand_pipeline.load.warehouse.schema import TableSchema, prepare


@dataclass(frozen=True)
class LoadStrategy(ABC):
    """The steps of a load that differ between strategies, in order."""

    context: LoadContext
    request: LoadRequest

    def ensure_tables(self, schemas: tuple[TableSchema, ...]) -> dict[str, tuple[str, ...]]:
        """Create missing tables, refuse unsuitable ones, and return statements that add missing columns, by table."""
        return prepare(self.context.connection, self.context.shadows.warehouse, schemas)

    @abstractmethod
    def count_previous(self, table: TableLoad) -> int:
        """Return the number of rows that the load replaces."""

    @abstractmethod
    def create_shadows(self) -> None:
        """Create the missing shadows of the run and the ledger, in the caller's transaction."""

    @abstractmethod
    def complete_shadows(self) -> Again | None:
        """Finish the shadows once all rows are copied; `Again` if another call must continue."""

    @abstractmethod
    def wait(self) -> Again | None:
        """Wait for transactions that conflict with the last transaction."""

    @abstractmethod
    def prepare_rows(self) -> Again | None:
        """Make the rows ready for the commit, before the run is recorded; `Again` if another call must do this."""

    @abstractmethod
    def publish(self) -> None:
        """Do what locks readers out, as late as possible before the commit."""

    @abstractmethod
    def settle(self) -> list[str]:
        """Finish after the commit; return a line for each failure, which does not fail the run."""
