"""A load's tables: what was staged for each, and what the load has done with it so far."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from demand_pipeline.contracts.loading import LoadedTable, StagedTable
from demand_pipeline.load.guard import Guard
from demand_pipeline.load.schema import TableSchema
from demand_pipeline.load.shadows import Shadows
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.statements import Sql
from demand_pipeline.settings import PostgresSettings


@dataclass(frozen=True, slots=True)
class Changes:
    """What was done to a table, in rows; `rows` is how many it holds now."""

    inserted: int
    updated: int
    deleted: int
    rows: int


@dataclass(slots=True)
class TableLoad:
    """One table during a load: `shadow` holds the new rows, `target` the old ones.

    `additions` are statements that add missing columns, under an exclusive lock.
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
        """How many rows the table must have after the load."""
        return self.staged.staged

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time that a block takes to the table's."""
        start = time.monotonic()
        yield
        self.seconds += time.monotonic() - start

    def result(self) -> LoadedTable:
        """What was done to the table, all counts included."""
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
    """The means of a load: the session and the shadows of its run, the tables to load, the clock, and the server."""

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
        """How many rows all tables must have after the load."""
        return sum(table.rows for table in self.tables)

    @property
    def targets(self) -> tuple[Sql, ...]:
        """The tables to be changed, quoted."""
        return tuple(table.target for table in self.tables)

    @contextmanager
    def step(self, table: TableLoad) -> Iterator[None]:
        """Do something that takes long: timed, and within the function's time."""
        progress = f"{table.name}, all {table.rows} rows checked, not yet written to the target"
        with table.timed(), self.guard.step(progress):
            yield

    def open_session(self) -> Connection:
        """One more session, none of whose statements outlasts the deadline."""
        return open_session(
            self.settings, self.shadows.run.id, Timeouts(statement=max(1, self.guard.deadline.seconds_left()))
        )

    def run(self, table: TableLoad, sql: str) -> int:
        """Run a statement as a step and return the number of rows that it touched."""
        with self.step(table):
            return self.connection.execute(sql)

    def add_columns(self) -> None:
        """Add the missing columns of all tables; the caller holds the locks."""
        for table in self.tables:
            for addition in table.additions:
                self.connection.execute(addition)
