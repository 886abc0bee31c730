"""A run's load: copy what is not copied yet, check everything, and replace the rows in one transaction."""

from contextlib import suppress
from dataclasses import dataclass, field

from demand_pipeline.contracts.loading import Again, LoadRequest, LoadResult, Step, Strategy
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabaseError, DuplicateKeyError, LockTimeoutError, MissingTableError
from demand_pipeline.load import merge, truncate
from demand_pipeline.load.checks import check_counts, check_rejects, check_rows, check_shrinkage
from demand_pipeline.load.chunks import ChunkCopier
from demand_pipeline.load.context import Changes, LoadContext, TableLoad
from demand_pipeline.load.control_tables import (
    CONTROL_TABLES,
    ensure_freshness,
    find_result,
    record,
    refuse_stale,
    replace_rejects,
)
from demand_pipeline.load.drift import find_changes, record_attributes
from demand_pipeline.load.export import export_table
from demand_pipeline.load.guard import Guard
from demand_pipeline.load.key_collisions import reject_key_collisions
from demand_pipeline.load.locks import acquire_load_lock
from demand_pipeline.load.report import report_changes, report_refreshed
from demand_pipeline.load.schema import add_comments, count_rows, ensure_schema, prepare
from demand_pipeline.load.shadows import Copied, Shadows, open_shadows
from demand_pipeline.load.swap.gate import wait_for_snapshots
from demand_pipeline.load.swap.strategy import Swap, make_way
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import qualified, statement
from demand_pipeline.s3.staging import Staging
from demand_pipeline.settings import PostgresSettings

_BUILD_SECONDS = 30  # between calls that wait for builds
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
        result = _Load(shadows, settings, staging, request, Guard(shadows.connection, deadline)).run()
    if isinstance(result, LoadResult):
        # Also for a run that is committed already: its last attempt may have died between the commit and this.
        report_refreshed(result)
    return result


@dataclass
class _Load:
    """One call of a load, within one session."""

    shadows: Shadows
    settings: PostgresSettings
    staging: Staging
    request: LoadRequest
    guard: Guard
    tables: tuple[TableLoad, ...] = field(init=False)
    swap: Swap = field(init=False)

    def __post_init__(self) -> None:
        self.tables = tuple(
            TableLoad(staged, qualified(self.schema, staged.table.name), self.shadows.rows(staged.table.name))
            for staged in self.request.tables
        )
        schemas = [table.schema for table in self.tables]
        self.swap = Swap.of(self.shadows, schemas, keep_previous=self.request.keep_previous)

    @property
    def swaps(self) -> bool:
        return self.request.strategy is Strategy.SWAP

    @property
    def connection(self) -> Connection:
        return self.shadows.connection

    @property
    def schema(self) -> str:
        return self.shadows.warehouse

    def run(self) -> LoadResult | Again:
        """Prepare, copy, publish: a later call goes on where this one ends."""
        result: LoadResult | Again | None = self.prepare()
        if result is None and self.request.step is Step.PREPARE:
            return Again(0)
        if result is None and not self.copy():
            return Again(1)
        if result is None and self.swaps and (again := self.get_ready_to_swap()):
            return again
        if result is None:
            self.make_way()
            result = self.publish()
            if isinstance(result, Again):
                return result
            report_changes(result)
        self.drop_shadows()
        if self.swaps and not self.request.dry_run:
            self.swap.settle()
        return result

    def prepare(self) -> LoadResult | None:
        """Refuse what cannot be loaded before a row is copied, create the shadows; the result if it is committed."""
        with self.guard.step("the start, no row copied"):
            if known := self.begin():
                return known
            self.connection.execute("ROLLBACK TO SAVEPOINT unchanged")  # missing tables appear with their rows
            if not self.request.dry_run:
                self.shadows.drop_abandoned()
            if self.swaps:
                self.swap.create_shadows()
            else:
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
        if self.swaps:
            self.swap.create_parents(of_rejects=True)
        for missing in prepare(self.connection, self.schema, CONTROL_TABLES).values():
            for addition in missing:
                self.connection.execute(addition)
        ensure_freshness(self.connection, self.schema)
        if known := find_result(self.connection, self.schema, self.request):
            logger.info("run is committed already")
            self.connection.execute("ROLLBACK")
            return known
        if not self.request.force:
            refuse_stale(self.connection, self.schema, self.request.run)
        if self.swaps:
            self.swap.create_parents(of_rejects=False)
            self.swap.refuse()
        additions = prepare(self.connection, self.schema, tuple(table.schema for table in self.tables))
        for table in self.tables:
            table.additions = additions[table.name]
            table.previous_rows = self.count_previous(table)
            check_shrinkage(table.staged, table.previous_rows, self.request.max_shrink_percent)
        return None

    def count_previous(self, table: TableLoad) -> int:
        """Count the rows that the load replaces; a swap has no upper limit, so it reads what the last run counted."""
        recorded = self.swap.previous_rows(table.name) if self.swaps else None
        return count_rows(self.connection, table.target) if recorded is None else recorded

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
        # What follows is one transaction, and may take as long as the copying, unless it is a swap.
        return self.swaps or start - left() <= left()

    def get_ready_to_swap(self) -> Again | None:
        """Build, and wait for those who would not see the new rows; `Again` if that is not over."""
        try:
            if not self.finish_shadows():
                return Again(_BUILD_SECONDS)
            if not self.request.dry_run:
                wait_for_snapshots(self.connection, self.shadows.ledger)
        except MissingTableError:
            logger.info("another call of the run has dropped its shadows, and so has loaded it")
            return Again(1)
        return None

    def finish_shadows(self) -> bool:
        """Build what shadows need to be swapped in; False if that is not over.

        Keys are found to be unique by that. If they are not, key collisions become rejects, once.
        """
        try:
            return self.swap.build(self.settings, self.guard.deadline)
        except DuplicateKeyError:
            if not self.move_key_collisions():
                raise
        return False

    def move_key_collisions(self) -> int:
        """Move key collisions to the rejects, in a transaction that the ledger knows of; how many there were."""
        moved = 0
        self.connection.execute(statement("begin"))
        with self.guard.step(f"all {self._rows} rows copied, key collisions not rejected"):
            for table in self.tables:
                count = reject_key_collisions(self.shadows, table)
                if count and not self.shadows.claim(table.name, f"key collisions of {table.name}", -count, count):
                    raise DatabaseError(f"{table.name}: key collisions were found twice")
                moved += count
            self.connection.execute("COMMIT")
        return moved

    def make_way(self) -> None:
        """Drop what the last swap kept."""
        if not self.request.dry_run:
            make_way(self.connection, self.schema, self.request.run, self.swap.slots, force=self.request.force)

    def publish(self) -> LoadResult | Again:
        """Check all rows, replace the old ones, and commit; the result as the warehouse has it."""
        with self.guard.step(f"all {self._rows} rows copied, none written to the target"):
            if known := self.begin():
                return known
            copied = self.shadows.copied()
        for table in self.tables:
            self.check(table, copied.get(table.name, Copied()))
        if self.swaps:
            return self.publish_by_swap()
        with self.guard.step(f"all {self._rows} rows checked, none written to the target"):
            rejects = {table.name: self.shadows.rejects(table.name) for table in self.tables}
            replace_rejects(self.connection, self.schema, rejects)
        _STRATEGIES[self.request.strategy](self.context)
        for table in self.tables:
            check_rows(table.name, table.rows, table.changes.rows, "in the table")
        self.record()
        self.add_comments()
        return self.commit()

    def publish_by_swap(self) -> LoadResult | Again:
        """Swap, as the very last: readers are locked out from the exchange to the commit."""
        for table in self.tables:
            table.changes = Changes(inserted=table.rows, updated=0, deleted=table.previous_rows, rows=table.rows)
        if not self.request.dry_run:
            with self.guard.step(f"all {self._rows} rows checked, tables not yet swapped"):
                if not self.swap.lock():
                    self.connection.execute("ROLLBACK")
                    return Again(1)
                self.record()
                self.swap.exchange(self.context)
                self.add_comments()
        return self.commit()

    def check(self, table: TableLoad, copied: Copied) -> None:
        """Check what is in a table's shadow, and export it if the run wants that."""
        with self.guard.step(f"{table.name}, all {table.rows} rows copied, not yet checked"):
            table.seconds = copied.seconds
            if self.swaps:
                table.key_collisions = copied.rejects - table.staged.rejected
            check_rows(table.name, table.rows, copied.rows, "copied")
            check_rows(table.name, table.rejected, copied.rejects, "copied as rejects")
            if not self.swaps:
                with table.timed():
                    table.key_collisions = reject_key_collisions(self.shadows, table)
            check_rejects(table.staged, self.request.max_reject_percent, table.key_collisions)
            if self.request.save_csv:
                export_table(self.connection, self.staging, self.request.run, table)
        logger.info("table copied", table=table.name, rows=table.rows)

    @property
    def context(self) -> LoadContext:
        return LoadContext(self.connection, self.guard, self.tables)

    def record(self) -> None:
        """Record the run, in its transaction."""
        with self.guard.step(f"all {self._rows} rows written to the target, not committed"):
            record(self.connection, self.schema, self.request, [table.result() for table in self.tables])
            record_attributes(self.connection, self.schema, self.request.run.id, self.shadows.ledger)

    def add_comments(self) -> None:
        """Describe tables and columns that nobody has described."""
        add_comments(self.connection, self.schema, (*CONTROL_TABLES, *(table.schema for table in self.tables)))

    def commit(self) -> LoadResult:
        """Commit, or roll back a dry run; the result as the warehouse has it."""
        if self.request.dry_run:
            # A part of a table says nothing about what it has no more.
            whole = [table.staged.table for table in self.tables if "maxItems" not in self.request.input]
            drift = find_changes(self.connection, self.schema, self.request.run.id, whole)
            self.connection.execute("ROLLBACK")
            tables = tuple(table.result() for table in self.tables)
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
