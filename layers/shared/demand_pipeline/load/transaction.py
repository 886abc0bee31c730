"""Every staged chunk of a run into the warehouse, in one transaction."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from demand_pipeline.contracts.loading import LoadedTable, LoadRequest, LoadResult, StagedTable, Strategy
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabaseError
from demand_pipeline.load import merge, truncate
from demand_pipeline.load.checks import (
    check_counts,
    check_rejects,
    check_rows,
    check_shrinkage,
    check_time,
    in_time,
)
from demand_pipeline.load.context import Changes, LoadContext
from demand_pipeline.load.control_tables import CONTROL_TABLES, find_result, record, refuse_stale
from demand_pipeline.load.export import export_table
from demand_pipeline.load.locks import acquire_load_lock
from demand_pipeline.load.report import report_changes, report_refreshed
from demand_pipeline.load.schema import TableSchema, add_comments, ensure_schema, prepare
from demand_pipeline.load.temporary_tables import ChunkCopier, limit_statements
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.statements import qualified, statement
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
        load = _Load(connection, settings.schema, staging, request, deadline)
        with in_time(deadline, _START):
            known = load.begin()
        result = known or load.finish(load.refresh())
    if known:
        logger.info("run is committed already")
    else:
        report_changes(result)
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
    deadline: Deadline
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    # By table: staged rows that became rejects, since U+FFFD for U+0000 gave them another row's key.
    key_collisions: dict[str, int] = field(default_factory=dict)

    def begin(self) -> LoadResult | None:
        """Open the transaction and acquire the load lock; the result if the run is committed already."""
        self.connection.execute(statement("begin"))
        acquire_load_lock(self.connection, self.schema)
        ensure_schema(self.connection, self.schema)
        for addition in prepare(self.connection, self.schema, CONTROL_TABLES):
            self.connection.execute(addition)
        known = find_result(self.connection, self.schema, self.request)
        if known is None and not self.request.force:
            refuse_stale(self.connection, self.schema, self.request.run)
        return known

    def refresh(self) -> tuple[LoadedTable, ...]:
        """Copy and check everything, and only then replace the old rows."""
        with in_time(self.deadline, _START):
            additions = prepare(self.connection, self.schema, self._layouts)
            previous = {staged.table.name: self._count_previous(staged) for staged in self.request.tables}
        tables = {staged.table.name: staged for staged in self.request.tables}
        rows = {name: self._copy(staged) for name, staged in tables.items()}
        check_time(self.deadline, f"all {sum(rows.values())} rows copied, none written to the target")

        @contextmanager
        def step(name: str) -> Iterator[None]:
            limit_statements(self.connection, self.deadline.seconds_left())
            done = f"{name}, all {rows[name]} rows copied, not yet written to the target"
            with self._timed(tables[name]), in_time(self.deadline, done):
                yield

        context = LoadContext(self.connection, self.schema, self._layouts, tuple(additions), rows, previous, step)
        changes = _STRATEGIES[self.request.strategy](context)
        for name in tables:
            check_rows(name, rows[name], changes[name].rows, "in the table")
        return tuple(self._loaded(staged, previous[name], changes[name]) for name, staged in tables.items())

    def finish(self, tables: tuple[LoadedTable, ...]) -> LoadResult:
        """Record the run and commit, or roll back a dry run; the result as the warehouse has it."""
        with in_time(
            self.deadline, f"all {sum(table.loaded for table in tables)} rows written to the target, not committed"
        ):
            add_comments(self.connection, self.schema, (*CONTROL_TABLES, *self._layouts))
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
    def _layouts(self) -> tuple[TableSchema, ...]:
        return tuple(TableSchema.of(staged.table) for staged in self.request.tables)

    def _count_previous(self, staged: StagedTable) -> int:
        table = qualified(self.schema, staged.table.name)
        [[rows]] = self.connection.query(f"SELECT count(*) FROM {table}")  # noqa: S608 - quoted
        check_shrinkage(staged, rows, self.request.max_shrink_percent)
        return int(rows)

    def _copy(self, staged: StagedTable) -> int:
        """Copy a table's rows and rejects; returns the number of rows."""
        name = staged.table.name
        copier = ChunkCopier(self.connection, self.schema, self.staging, self.request.run, self.deadline)
        with in_time(self.deadline, f"{staged.table.name}, not yet staged"):
            with self._timed(staged):
                rows = copier.copy_rows(staged)
                check_rows(name, staged.staged, rows, "copied")
                copier.copy_rejects(staged)
                collisions = self.key_collisions[name] = copier.reject_key_collisions(staged)
            check_rejects(staged, self.request.max_reject_percent, collisions)
            if self.request.save_csv:
                export_table(self.connection, self.staging, self.request.run, staged.table)
        logger.info("table copied", table=name, rows=rows - collisions)
        return rows - collisions

    @contextmanager
    def _timed(self, staged: StagedTable) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[staged.table.name] += time.monotonic() - start

    def _loaded(self, staged: StagedTable, previous: int, changes: Changes) -> LoadedTable:
        return LoadedTable(
            table=staged.table.name,
            segments=staged.segments,
            chunks=len(staged.chunks),
            scanned=staged.scanned,
            staged=staged.staged - self.key_collisions[staged.table.name],
            rejected=staged.rejected + self.key_collisions[staged.table.name],
            sanitized=staged.sanitized,
            loaded=changes.rows,
            inserted=changes.inserted,
            updated=changes.updated,
            deleted=changes.deleted,
            previous_rows=previous,
            read_units=staged.read_units,
            bytes=staged.bytes,
            load_seconds=round(self.seconds[staged.table.name], 3),
        )
