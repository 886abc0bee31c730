"""What a load strategy decides: what its shadows are, and how their rows become those of the tables."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from demand_pipeline.contracts.loading import Again, LoadRequest
from demand_pipeline.load.context import LoadContext, TableLoad
from demand_pipeline.load.schema import TableSchema, prepare


@dataclass(frozen=True)
class LoadStrategy(ABC):
    """The steps of a load in which the strategies differ, in their order."""

    context: LoadContext
    request: LoadRequest

    def ensure_tables(self, schemas: tuple[TableSchema, ...]) -> dict[str, tuple[str, ...]]:
        """Create missing tables, refuse unsuitable ones, and return statements that add missing columns, by table."""
        return prepare(self.context.connection, self.context.shadows.warehouse, schemas)

    @abstractmethod
    def count_previous(self, table: TableLoad) -> int:
        """How many rows the load replaces."""

    @abstractmethod
    def create_shadows(self) -> None:
        """Create what is missing of the run's shadows and their ledger, in the caller's transaction."""

    @abstractmethod
    def complete_shadows(self) -> Again | None:
        """Do what the rows still need when all are copied; `Again` if another call is to go on with it."""

    @abstractmethod
    def wait(self) -> Again | None:
        """Wait for whatever the last transaction would be in the way of."""

    @abstractmethod
    def write(self) -> Again | None:
        """Replace the rows, in the caller's transaction, as far as that can be done before the run is recorded."""

    @abstractmethod
    def publish(self) -> None:
        """Do what locks readers out and can wait for the last moment before the commit."""

    @abstractmethod
    def settle(self) -> list[str]:
        """Do what is left after the commit; a line for each thing that failed, none of which fails the run."""
