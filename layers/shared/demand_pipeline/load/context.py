"""The state of a load: its tables, with their staged chunks and the changes made so far."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from demand_pipeline.contracts.loading import LoadedTable, StagedTable
from demand_pipeline.load.copy.shadows import Shadows
from demand_pipeline.load.guard import Guard
from demand_pipeline.load.warehouse.schema import TableSchema
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.statements import Sql
from demand_pipeline.settings import PostgresSettings


@dataclass(frozen=True, slots=True)
class Changes:
    """Numbers of rows that a load changed in a table; `rows` is the table's number of rows afterwards."""

    inserted: int
    updated: int
    deleted: int
    rows: int


@dataclass(slots=True)
class TableLoad:
    """One table during a load: `shadow` contains the new rows, `target` the old ones.

    `additions` are statements that add missing columns; they need an exclusive lock.
    """

    staged: StagedTable
    target: Sql
    shadow: Sql
    additions: tuple[str, ...] = ()
    previous_rows: int = 0
    changes: Changes = Changes(0, 0, 0, 0)
    seconds: float = 0.0
    schema: TableSchema = field(init=False)

    def __post_init__(self) -> None:
        self.schema = TableSchema.of(self.staged.table)

    @property
    def name(self) -> str:
        """The table's name."""
        return self.staged.table.name

    @property
    def rows(self) -> int:
        """Number of rows that the table must have after the load."""
        return self.staged.staged

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the duration of the block to the table's time."""
        start = time.monotonic()
        yield
        self.seconds += time.monotonic() - start

    def result(self) -> LoadedTable:
        """Return all counts of the table."""
        staged = self.staged
        return LoadedTable(
            table=self.name,
            segments=staged.segments,
            chunks=len(staged.chunks),
            scanned=staged.scanned,
            staged=self.rows,
            rejected=staged.rejected,
            sanitized=staged.sanitized,
            loaded=self.changes.rows,
            inserted=self.changes.inserted,
            updated=self.changes.updated,
            deleted=self.changes.deleted,
            previous_rows=self.previous_rows,
            read_units=staged.read_units,
            bytes=staged.bytes,
            load_seconds=round(self.seconds, 3),
        )


@dataclass(frozen=True, slots=True)
class LoadContext:
    """The environment of a load: the run's session and shadows, the tables to load, the time limit, and the server."""

    shadows: Shadows
    guard: Guard
    tables: tuple[TableLoad, ...]
    settings: PostgresSettings

    @property
    def connection(self) -> Connection:
        """The load's session."""
        return self.shadows.connection

    @property
    def rows(self) -> int:
        """Number of rows that all tables together must have after the load."""
        return sum(table.rows for table in self.tables)

    @property
    def targets(self) -> tuple[Sql, ...]:
        """The tables to change, quoted."""
        return tuple(table.target for table in self.tables)

    @contextmanager
    def step(self, table: TableLoad) -> Iterator[None]:
        """Run a slow block: measure its time, and keep it within the function's time."""
        progress = f"{table.name}, all {table.rows} rows checked, not yet written to the target"
        with table.timed(), self.guard.step(progress):
            yield

    def open_session(self) -> Connection:
        """Open another session, whose statements end before the deadline."""
        return open_session(
            self.settings, self.shadows.run.id, Timeouts(statement=max(1, self.guard.deadline.seconds_left()))
        )

    def run(self, table: TableLoad, sql: str) -> int:
        """Run a statement as a step and return the number of rows that it affected."""
        with self.step(table):
            return self.connection.execute(sql)

    def add_columns(self) -> None:
        """Add the missing columns of all tables; the caller holds the locks."""
        for table in self.tables:
            for addition in table.additions:
                self.connection.execute(addition)
