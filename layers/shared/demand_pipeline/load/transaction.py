"""A run's load: copy the missing chunks, check everything, and replace the rows in one transaction."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from demand_pipeline.contracts.loading import Again, LoadRequest, LoadResult, Step, Strategy
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabaseError, MissingTableError, PipelineError, TransientError
from demand_pipeline.load.checks import ANY_SHRINKAGE, check_counts, check_rejects, check_rows, check_shrinkage
from demand_pipeline.load.context import LoadContext, TableLoad
from demand_pipeline.load.copy.chunks import ChunkCopier
from demand_pipeline.load.copy.export import Exporter
from demand_pipeline.load.copy.ledger import Copied
from demand_pipeline.load.copy.shadows import Shadows, open_shadows
from demand_pipeline.load.guard import Guard, Pace
from demand_pipeline.load.in_place.strategy import InPlace
from demand_pipeline.load.report import report_changes, report_refreshed
from demand_pipeline.load.strategy import LoadStrategy
from demand_pipeline.load.swap.previous import make_way
from demand_pipeline.load.swap.strategy import Swap
from demand_pipeline.load.warehouse.control_tables import (
    CONTROL_TABLES,
    ensure_freshness,
    find_result,
    record,
    refuse_stale,
)
from demand_pipeline.load.warehouse.housekeeping import drop_abandoned, drop_run
from demand_pipeline.load.warehouse.locks import acquire_load_lock
from demand_pipeline.load.warehouse.publications import ensure_replica_identity
from demand_pipeline.load.warehouse.refusals import NewRows, explain
from demand_pipeline.load.warehouse.run_attributes import find_changes, record_attributes
from demand_pipeline.load.warehouse.schema import add_comments, ensure_schema, missing_parts
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.session import refuse_shared_sessions
from demand_pipeline.postgres.statements import Statements, qualified
from demand_pipeline.s3.staging import Staging
from demand_pipeline.settings import PostgresSettings

statement = Statements(__package__)

# The build of a swap's indexes may take a day, during which the load is called every 90 seconds.
_MOST_CALLS = 1000


def load_warehouse(
    request: LoadRequest, settings: PostgresSettings, staging: Staging, deadline: Deadline
) -> LoadResult | Again:
    """Prepare or load the run's tables, or leave the warehouse unchanged; `Again` if another call is needed.

    For a run that is already committed, return its result. Raises the errors of the load's other modules and
    of `postgres`. After an error the warehouse is unchanged, except perhaps after a TransientError at the
    commit; a retry finds out.
    """
    for staged in request.tables:
        check_counts(staged)
        check_rejects(staged, request.max_reject_percent)
    with open_shadows(settings, request.run, deadline) as shadows:
        refuse_shared_sessions(shadows.connection, settings)
        context = LoadContext(shadows, Guard(shadows.connection, deadline), _table_loads(request, shadows), settings)
        kind = Swap if request.strategy is Strategy.SWAP else InPlace
        try:
            result = _Load(context, request, staging, kind(context, request)).run()
        except DatabaseError as error:
            new_rows = [NewRows(table.schema, table.target, table.shadow) for table in context.tables]
            raise explain(error, new_rows, context.guard) from None
    if isinstance(result, LoadResult):
        # Also for a run that is already committed: its last attempt may have died between the commit and this line.
        report_refreshed(result)
    return result


def _table_loads(request: LoadRequest, shadows: Shadows) -> tuple[TableLoad, ...]:
    names = [staged.table.name for staged in request.tables]
    places = [(qualified(shadows.warehouse, name), shadows.rows(name)) for name in names]
    return tuple(TableLoad(staged, *place) for staged, place in zip(request.tables, places, strict=True))


@dataclass(frozen=True)
class _Load:
    """One call of a load, within one session."""

    context: LoadContext
    request: LoadRequest
    staging: Staging
    strategy: LoadStrategy
    schema_changes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def tables(self) -> tuple[TableLoad, ...]:
        return self.context.tables

    @property
    def guard(self) -> Guard:
        return self.context.guard

    @property
    def shadows(self) -> Shadows:
        return self.context.shadows

    @property
    def connection(self) -> Connection:
        return self.context.connection

    @property
    def schema(self) -> str:
        return self.shadows.warehouse

    def run(self) -> LoadResult | Again:
        """Prepare, copy and publish; a later call continues where this one ends."""
        result = self.prepare()
        if result is None and self.request.step is Step.PREPARE:
            return Again(0)
        if result is None:
            published = self.get_ready() or self.publish()
            if isinstance(published, Again):
                self.limit_calls(published)
                return published
            result = replace(published, schema_changes=tuple(self.schema_changes))
            report_changes(result)
        return replace(result, warnings=(*self.warnings, *self.settle()))

    def limit_calls(self, again: Again) -> None:
        """Raise DatabaseError if the run's calls make no progress: each call uses some of the execution's events."""
        logger.info("the load is to be called again", reason=again.reason)
        if self.shadows.ledger.exists() and self.shadows.ledger.count_calls() > _MOST_CALLS:
            raise DatabaseError(f"the load was called {_MOST_CALLS} times without progress; remaining: {again.reason}")

    def prepare(self) -> LoadResult | None:
        """Check the tables before a row is copied, and create the shadows; return the result of a committed run."""
        with self.guard.step("the start, no row copied"):
            if known := self.begin():
                return known
            if self.request.max_shrink_percent < ANY_SHRINKAGE:  # counting may read a whole table
                self.count_previous()
            self.connection.execute("ROLLBACK TO SAVEPOINT unchanged")  # missing tables appear with their rows
            if not self.request.dry_run:
                ensure_replica_identity(self.connection, self.schema)  # its lock is short here
            self.strategy.create_shadows()
            self.shadows.ledger.touch()
            if not self.request.dry_run:
                self.warnings[:] = drop_abandoned(self.connection, self.shadows.schema, self.shadows.suffix)
            self.connection.execute("COMMIT")
        return None

    def begin(self) -> LoadResult | None:
        """Open a transaction, acquire the load lock and prepare the tables; return the result of a committed run."""
        self.connection.execute(statement("begin"))
        is_locked = acquire_load_lock(self.connection, self.schema)
        self.connection.execute("SAVEPOINT unchanged")
        ensure_schema(self.connection, self.schema)
        control_tables = self.strategy.ensure_tables(CONTROL_TABLES)
        if not is_locked:  # at the first load: this load or a concurrent one has just created the table
            acquire_load_lock(self.connection, self.schema)
        for missing in control_tables.values():
            for addition in missing:
                self.connection.execute(addition)
        ensure_freshness(self.connection, self.schema)
        ensure_replica_identity(self.connection, self.schema)
        if known := find_result(self.connection, self.schema, self.request):
            logger.info("run is already committed")
            self.connection.execute("ROLLBACK")
            return known
        if not self.request.force:
            refuse_stale(self.connection, self.schema, self.request.run)
        schemas = tuple(table.schema for table in self.tables)
        self.schema_changes[:] = missing_parts(self.connection, self.schema, schemas)
        additions = self.strategy.ensure_tables(schemas)
        for table in self.tables:
            table.additions = additions[table.name]
        return None

    def count_previous(self) -> None:
        """Count the rows to replace, and check that the tables do not shrink too much."""
        for table in self.tables:
            table.previous_rows = self.strategy.count_previous(table)
            check_shrinkage(table.staged, table.previous_rows, self.request.max_shrink_percent)

    def get_ready(self) -> Again | None:
        """Do all work that may precede the last transaction; `Again` if the rest needs another call.

        Each step starts only if there is as much time left as all steps before it took.
        """
        left = self.guard.deadline.seconds_left
        start = left()
        try:
            for step in (self.copy, self.strategy.complete_shadows, self.export, self.strategy.wait):
                if again := step():
                    return again
                if start - left() > left():
                    return Again(1, "steps that need more time")
        except MissingTableError:
            self.connection.execute("ROLLBACK")
            if self.shadows.ledger.exists():  # another table is missing, for example of a trigger's function
                raise
            return Again(1, "to find out whether the call that dropped the shadows has loaded the run")
        if not self.request.dry_run:
            make_way(self.shadows, [table.schema for table in self.tables], force=self.request.force)
        return None

    def copy(self) -> Again | None:
        """Copy the chunks that the ledger lacks."""
        copier = ChunkCopier(self.shadows, self.staging, self.guard)
        copied, pace = self.shadows.ledger.chunks(), Pace(self.guard.deadline)
        missing = [(t.staged.table, chunk) for t in self.tables for chunk in t.staged.chunks if chunk.key not in copied]
        for table, chunk in missing:
            if not pace.allows_one_more():
                return Again(1, "chunks to copy")
            with pace.timed():
                copier.copy(table, chunk.key, chunk.staged, chunk.rejected)
        return None

    def export(self) -> Again | None:
        """Write the tables to S3, if the run's input asks for it."""
        exporter = Exporter(self.context, self.staging)
        return (
            None if not self.request.save_csv or all(map(exporter.export, self.tables)) else Again(1, "rows to export")
        )

    def publish(self) -> LoadResult | Again:
        """Check all rows, replace the old ones, and commit; return the result as recorded in the warehouse."""
        with self.guard.step(f"all {self.context.rows} rows copied, none written to the target"):
            if known := self.begin():
                return known
            self.count_previous()
            copied = self.shadows.ledger.copied()
        for table in self.tables:
            self.check(table, copied.get(table.name, Copied()))
        if again := self.strategy.prepare_rows():
            self.connection.execute("ROLLBACK")
            return again
        self.record()
        self.strategy.publish()
        add_comments(self.connection, self.schema, (*CONTROL_TABLES, *(table.schema for table in self.tables)))
        return self.commit()

    def check(self, table: TableLoad, copied: Copied) -> None:
        """Check the number of rows in a table's shadow."""
        with self.guard.step(f"{table.name}, all {table.rows} rows copied, not yet checked"):
            table.seconds = copied.seconds
            check_rows(table.name, table.rows, copied.rows, "copied")
        logger.info("table copied", table=table.name, rows=table.rows)

    def record(self) -> None:
        """Record the run, in the transaction that replaces the rows."""
        with self.guard.step(f"all {self.context.rows} rows written to the target, not committed"):
            record(self.connection, self.schema, self.request, [table.result() for table in self.tables])
            record_attributes(self.connection, self.schema, self.request.run.id, self.shadows.ledger.table)

    def commit(self) -> LoadResult:
        """Commit, or roll back a dry run; return the result as recorded in the warehouse."""
        if self.request.dry_run:
            # A capped run cannot tell which attributes have vanished.
            whole = [table.staged.table for table in self.tables if "maxItems" not in self.request.input]
            drift = find_changes(self.connection, self.schema, self.request.run.id, whole)
            self.connection.execute("ROLLBACK")
            tables = tuple(table.result() for table in self.tables)
            return LoadResult(committed=False, tables=tables, drift=drift)
        self.connection.execute("COMMIT")
        try:
            result = find_result(self.connection, self.schema, self.request)
        except PipelineError as error:
            raise TransientError(f"the run is committed, but its result could not be read: {error}") from error
        if result is None:  # PostgreSQL may answer a COMMIT with a rollback
            raise DatabaseError(f"run {self.request.run.id} was committed, but is not in pipeline_runs")
        return result

    def settle(self) -> Iterator[str]:
        """Clean up after the commit; yield a line for each failure, which does not fail the run."""
        for step in (self.drop_shadows, self.strategy.settle):
            try:
                self.guard.limit_session()
                yield from step()
            except PipelineError as error:
                logger.warning("failed after the commit", error=str(error))
                yield f"failed after the commit: {error}"
                with suppress(PipelineError):
                    self.connection.execute("ROLLBACK")

    def drop_shadows(self) -> list[str]:
        """Drop the run's shadows; if a late attempt still uses them, a later run drops them."""
        warnings = drop_run(self.connection, self.shadows.schema, self.shadows.suffix)
        if self.request.dry_run:
            self.shadows.drop_empty_schema()
        return warnings
