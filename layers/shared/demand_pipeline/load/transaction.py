"""A run's load: copy what is not copied yet, check everything, and replace the rows in one transaction."""

from contextlib import suppress
from dataclasses import dataclass, field

from demand_pipeline.contracts.loading import Again, LoadRequest, LoadResult, Step, Strategy
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabaseError, LockTimeoutError
from demand_pipeline.load import merge, truncate
from demand_pipeline.load.checks import check_counts, check_rejects, check_rows, check_shrinkage
from demand_pipeline.load.chunks import ChunkCopier
from demand_pipeline.load.context import LoadContext, TableLoad
from demand_pipeline.load.control_tables import CONTROL_TABLES, find_result, record, refuse_stale, replace_rejects
from demand_pipeline.load.drift import find_changes, record_attributes
from demand_pipeline.load.export import export_table
from demand_pipeline.load.guard import Guard
from demand_pipeline.load.key_collisions import reject_key_collisions
from demand_pipeline.load.locks import acquire_load_lock
from demand_pipeline.load.report import report_changes, report_refreshed
from demand_pipeline.load.schema import add_comments, count_rows, ensure_schema, prepare
from demand_pipeline.load.shadows import Copied, Shadows, open_shadows
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import qualified, statement
from demand_pipeline.s3.staging import Staging
from demand_pipeline.settings import PostgresSettings

_STRATEGIES = {Strategy.TRUNCATE: truncate.replace_rows, Strategy.MERGE: merge.replace_rows}


def load_warehouse(
    request: LoadRequest, settings: PostgresSettings, staging: Staging, deadline: Deadline
) -> LoadResult | Again:
    """Prepare or load the run's tables, or leave the warehouse unchanged; `Again` if it is to be called once more.

    A run that is committed already is not loaded again: its result is returned. Raises the errors of
    the load's other modules and of `postgres`. Nothing was changed then, except perhaps after a
    TransientError at the commit: a retry finds out.
    """
    for staged in request.tables:
        check_counts(staged)
        check_rejects(staged, request.max_reject_percent)
    with open_shadows(settings, request.run, deadline) as shadows:
        result = _Load(shadows, staging, request, Guard(shadows.connection, deadline)).run()
    if isinstance(result, LoadResult):
        # Also for a run that is committed already: its last attempt may have died between the commit and this.
        report_refreshed(result)
    return result


@dataclass
class _Load:
    """One call of a load, within one session."""

    shadows: Shadows
    staging: Staging
    request: LoadRequest
    guard: Guard
    tables: tuple[TableLoad, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.tables = tuple(
            TableLoad(staged, qualified(self.schema, staged.table.name), self.shadows.rows(staged.table.name))
            for staged in self.request.tables
        )

    @property
    def connection(self) -> Connection:
        return self.shadows.connection

    @property
    def schema(self) -> str:
        return self.shadows.warehouse

    def run(self) -> LoadResult | Again:
        """Prepare, copy, publish: a later call goes on where this one ends."""
        result = self.prepare()
        if result is None and self.request.step is Step.PREPARE:
            return Again(0)
        if result is None and not self.copy():
            return Again(1)
        if result is None:
            result = self.publish()
            report_changes(result)
        self.drop_shadows()
        return result

    def prepare(self) -> LoadResult | None:
        """Refuse what cannot be loaded before a row is copied, create the shadows; the result if it is committed."""
        with self.guard.step("the start, no row copied"):
            if known := self.begin():
                return known
            self.connection.execute("ROLLBACK TO SAVEPOINT unchanged")  # missing tables appear with their rows
            if not self.request.dry_run:
                self.shadows.drop_abandoned()
            self.shadows.create([table.schema for table in self.tables])
            self.shadows.touch()
            self.connection.execute("COMMIT")
        return None

    def begin(self) -> LoadResult | None:
        """Open a transaction, acquire the load lock, make the tables ready for rows; the result if it is committed."""
        self.connection.execute(statement("begin"))
        acquire_load_lock(self.connection, self.schema)
        self.connection.execute("SAVEPOINT unchanged")
        ensure_schema(self.connection, self.schema)
        for missing in prepare(self.connection, self.schema, CONTROL_TABLES).values():
            for addition in missing:
                self.connection.execute(addition)
        if known := find_result(self.connection, self.schema, self.request):
            logger.info("run is committed already")
            self.connection.execute("ROLLBACK")
            return known
        if not self.request.force:
            refuse_stale(self.connection, self.schema, self.request.run)
        additions = prepare(self.connection, self.schema, tuple(table.schema for table in self.tables))
        for table in self.tables:
            table.additions = additions[table.name]
            table.previous_rows = count_rows(self.connection, table.target)
            check_shrinkage(table.staged, table.previous_rows, self.request.max_shrink_percent)
        return None

    def copy(self) -> bool:
        """Copy the chunks that the ledger lacks; False if another call has more time for what is left."""
        copier = ChunkCopier(self.connection, self.staging, self.shadows, self.guard)
        copied, left = self.shadows.chunks(), self.guard.deadline.seconds_left
        start, longest = left(), 0.0
        missing = [(t.staged.table, chunk) for t in self.tables for chunk in t.staged.chunks if chunk.key not in copied]
        for table, chunk in missing:
            begun = left()
            if longest and begun < 2 * longest:
                return False
            copier.copy(table, chunk.key, chunk.staged, chunk.rejected)
            longest = max(longest, begun - left())
        # What follows is one transaction. It may take as long as the copying.
        return start - left() <= left()

    def publish(self) -> LoadResult:
        """Check all rows, replace the old ones, and commit; the result as the warehouse has it."""
        with self.guard.step(f"all {self._rows} rows copied, none written to the target"):
            if known := self.begin():
                return known
            copied = self.shadows.copied()
        for table in self.tables:
            self.check(table, copied.get(table.name, Copied()))
        with self.guard.step(f"all {self._rows} rows checked, none written to the target"):
            rejects = {table.name: self.shadows.rejects(table.name) for table in self.tables}
            replace_rejects(self.connection, self.schema, rejects)
        _STRATEGIES[self.request.strategy](LoadContext(self.connection, self.guard, self.tables))
        for table in self.tables:
            check_rows(table.name, table.rows, table.changes.rows, "in the table")
        return self.commit()

    def check(self, table: TableLoad, copied: Copied) -> None:
        """Check what is in a table's shadow, and export it if the run wants that."""
        with self.guard.step(f"{table.name}, all {table.rows} rows copied, not yet checked"):
            table.seconds = copied.seconds
            check_rows(table.name, table.staged.staged, copied.rows, "copied")
            check_rows(table.name, table.staged.rejected, copied.rejects, "copied as rejects")
            with table.timed():
                table.key_collisions = reject_key_collisions(self.shadows, table)
            check_rejects(table.staged, self.request.max_reject_percent, table.key_collisions)
            if self.request.save_csv:
                export_table(self.connection, self.staging, self.request.run, table)
        logger.info("table copied", table=table.name, rows=table.rows)

    def commit(self) -> LoadResult:
        """Record the run and commit, or roll back a dry run; the result as the warehouse has it."""
        tables = tuple(table.result() for table in self.tables)
        with self.guard.step(f"all {self._rows} rows written to the target, not committed"):
            schemas = tuple(table.schema for table in self.tables)
            add_comments(self.connection, self.schema, (*CONTROL_TABLES, *schemas))
            record(self.connection, self.schema, self.request, tables)
            record_attributes(self.connection, self.schema, self.request.run.id, self.shadows.ledger)
        if self.request.dry_run:
            # A part of a table says nothing about what it has no more.
            whole = [table.staged.table for table in self.tables if "maxItems" not in self.request.input]
            drift = find_changes(self.connection, self.schema, self.request.run.id, whole)
            self.connection.execute("ROLLBACK")
            return LoadResult(committed=False, tables=tables, drift=drift)
        self.connection.execute("COMMIT")
        result = find_result(self.connection, self.schema, self.request)
        if result is None:  # a COMMIT may answer with a rollback
            raise DatabaseError(f"run {self.request.run.id} was committed, but is not in pipeline_runs")
        return result

    def drop_shadows(self) -> None:
        """Drop what the run does not need any more; where a late attempt still uses it, a later run drops it."""
        with suppress(LockTimeoutError):
            self.shadows.drop()
            if self.request.dry_run:
                self.shadows.drop_empty_schema()

    @property
    def _rows(self) -> int:
        return sum(table.rows for table in self.tables)
