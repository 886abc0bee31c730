"""Every staged chunk of a run into the warehouse, in one transaction."""

from dataclasses import dataclass, field

from demand_pipeline.contracts.loading import LoadRequest, LoadResult, Strategy
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabaseError
from demand_pipeline.load import merge, truncate
from demand_pipeline.load.checks import check_counts, check_rejects, check_rows, check_shrinkage
from demand_pipeline.load.context import LoadContext, TableLoad, table_load
from demand_pipeline.load.control_tables import CONTROL_TABLES, find_result, record, refuse_stale
from demand_pipeline.load.export import export_table
from demand_pipeline.load.guard import Guard
from demand_pipeline.load.locks import acquire_load_lock
from demand_pipeline.load.report import report_changes, report_refreshed
from demand_pipeline.load.schema import add_comments, count_rows, ensure_schema, prepare
from demand_pipeline.load.temporary_tables import ChunkCopier
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.statements import statement
from demand_pipeline.s3.staging import Staging
from demand_pipeline.settings import PostgresSettings

_START = "the start, no row copied"
_STRATEGIES = {Strategy.TRUNCATE: truncate.replace_rows, Strategy.MERGE: merge.replace_rows}


def load_warehouse(
    request: LoadRequest, settings: PostgresSettings, staging: Staging, deadline: Deadline
) -> LoadResult:
    """Load the run's tables, or leave the warehouse unchanged.

    A run that is committed already is not loaded again: its result is returned. Raises the errors of
    the load's other modules and of `postgres`. Nothing was changed then, except perhaps after a
    TransientError at the commit: a retry finds out.
    """
    for staged in request.tables:
        check_counts(staged)
        check_rejects(staged, request.max_reject_percent)
    timeouts = Timeouts(statement=max(1, deadline.seconds_left()))
    with open_session(settings, request.run.id, timeouts) as connection:
        result = _Load(connection, settings.schema, staging, request, Guard(connection, deadline)).run()
    # Also for a run that is committed already: its last attempt may have died between the commit and this.
    report_refreshed(result)
    return result


@dataclass
class _Load:
    """One load within one session."""

    connection: Connection
    schema: str
    staging: Staging
    request: LoadRequest
    guard: Guard
    tables: tuple[TableLoad, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.tables = tuple(table_load(staged, self.schema) for staged in self.request.tables)

    def run(self) -> LoadResult:
        """From BEGIN to COMMIT; the result if the run is committed already."""
        with self.guard.step(_START):
            if known := self.begin():
                logger.info("run is committed already")
                return known
            self.prepare()
        for table in self.tables:
            self.copy(table)
        self.publish()
        result = self.commit()
        report_changes(result)
        return result

    def begin(self) -> LoadResult | None:
        """Open the transaction and acquire the load lock; the result if the run is committed already."""
        self.connection.execute(statement("begin"))
        acquire_load_lock(self.connection, self.schema)
        ensure_schema(self.connection, self.schema)
        for additions in prepare(self.connection, self.schema, CONTROL_TABLES).values():
            for addition in additions:
                self.connection.execute(addition)
        known = find_result(self.connection, self.schema, self.request)
        if known is None and not self.request.force:
            refuse_stale(self.connection, self.schema, self.request.run)
        return known

    def prepare(self) -> None:
        """Create the missing tables, and refuse what cannot be loaded before a row is copied."""
        additions = prepare(self.connection, self.schema, tuple(table.schema for table in self.tables))
        for table in self.tables:
            table.additions = additions[table.name]
            table.previous_rows = count_rows(self.connection, table.target)
            check_shrinkage(table.staged, table.previous_rows, self.request.max_shrink_percent)

    def copy(self, table: TableLoad) -> None:
        """Copy and check a table's rows and rejects."""
        copier = ChunkCopier(self.connection, self.schema, self.staging, self.request.run, self.guard)
        with self.guard.step(f"{table.name}, not yet copied"):
            with table.timed():
                check_rows(table.name, table.rows, copier.copy_rows(table), "copied")
                copier.copy_rejects(table)
                table.key_collisions = copier.reject_key_collisions(table)
            check_rejects(table.staged, self.request.max_reject_percent, table.key_collisions)
            if self.request.save_csv:
                export_table(self.connection, self.staging, self.request.run, table)
        logger.info("table copied", table=table.name, rows=table.rows)

    def publish(self) -> None:
        """Replace the old rows, and check how many there are then."""
        self.guard.check(f"all {self._rows} rows copied, none written to the target")
        _STRATEGIES[self.request.strategy](LoadContext(self.connection, self.guard, self.tables))
        for table in self.tables:
            check_rows(table.name, table.rows, table.changes.rows, "in the table")

    def commit(self) -> LoadResult:
        """Record the run and commit, or roll back a dry run; the result as the warehouse has it."""
        tables = tuple(table.result() for table in self.tables)
        with self.guard.step(f"all {self._rows} rows written to the target, not committed"):
            schemas = tuple(table.schema for table in self.tables)
            add_comments(self.connection, self.schema, (*CONTROL_TABLES, *schemas))
            record(self.connection, self.schema, self.request, tables)
        if self.request.dry_run:
            self.connection.execute("ROLLBACK")
            return LoadResult(committed=False, tables=tables)
        self.connection.execute("COMMIT")
        result = find_result(self.connection, self.schema, self.request)
        if result is None:  # a COMMIT may answer with a rollback
            raise DatabaseError(f"run {self.request.run.id} was committed, but is not in pipeline_runs")
        return result

    @property
    def _rows(self) -> int:
        return sum(table.rows for table in self.tables)
