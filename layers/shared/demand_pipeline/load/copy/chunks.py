"""Copies staged chunks into the run's shadows: each with its rejects, in one transaction, exactly once.

Many functions call `copy_chunk` concurrently; the load copies the chunks that they left.
"""

import json
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from demand_pipeline.contracts.copying import CopyRequest, CopyResult
from demand_pipeline.contracts.event import Run
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import (
    DatabaseDataError,
    DatabaseError,
    DatabaseTimeoutError,
    PipelineError,
    RefusedRowError,
    StagingError,
    TransientError,
)
from demand_pipeline.load.copy import csv_lines
from demand_pipeline.load.copy.shadows import Shadows, open_shadows
from demand_pipeline.load.guard import Guard
from demand_pipeline.load.warehouse.control_tables import REJECTED_ITEMS
from demand_pipeline.load.warehouse.refusals import NewRows, name_items
from demand_pipeline.load.warehouse.schema import TableSchema
from demand_pipeline.observability import logger
from demand_pipeline.postgres.statements import Sql, Statements, listed, qualified
from demand_pipeline.s3.staging import Staging, drift_key, rejects_key
from demand_pipeline.settings import PostgresSettings
from demand_pipeline.tables import Table
from demand_pipeline.transform.jsonb import item_to_json, sanitize

statement = Statements(__package__)

# A session in a COPY looks active even if its client is silent. Each COPY is short, so an old COPY shows that its
# client hangs (`warehouse/locks.py`). If the client resumes later, its COPY is refused.
_FEED_SECONDS = 20.0
_COPY_SECONDS = 45.0


def copy_chunk(request: CopyRequest, settings: PostgresSettings, staging: Staging, deadline: Deadline) -> CopyResult:
    """Copy the chunk, unless it is already copied; raises the errors of `ChunkCopier` and `open_session`.

    If there are no shadows, the run is already loaded, or it paused for so long that another run dropped them: then
    the load copies the missing chunks.
    """
    with open_shadows(settings, request.run, deadline) as shadows:
        if not shadows.ledger.exists():
            logger.warning("no shadows, the chunk is left to the load", chunk=request.key)
            return CopyResult(copied=False)
        copier = ChunkCopier(shadows, staging, Guard(shadows.connection, deadline))
        copied = copier.copy(request.table, request.key, request.staged, request.rejected)
    logger.info("chunk copied" if copied else "chunk was copied before", chunk=request.key, rows=request.staged)
    return CopyResult(copied)


@dataclass(frozen=True, slots=True)
class ChunkCopier:
    """Copies staged chunks and their rejects from the staging bucket into a run's shadows.

    Raises StagingError if an object is missing, truncated or malformed, or if its number of lines contradicts the
    chunk's counts; DeadlineError if time runs out; LockTimeoutError while another session copies the same chunk.
    """

    shadows: Shadows
    staging: Staging
    guard: Guard

    def copy(self, table: Table, key: str, staged: int, rejected: int) -> bool:
        """Copy a chunk in its own transaction; False if it is already in the ledger."""
        try:
            return self._copy_all(table, key, staged, rejected)
        except (RefusedRowError, DatabaseDataError) as error:
            refused = error
        if self._relax(table):
            return self.copy(table, key, staged, rejected)
        raise self._explain(refused, table, key, staged)

    def _copy_all(self, table: Table, key: str, staged: int, rejected: int) -> bool:
        self.guard.connection.execute(statement("begin"))
        with self.guard.step(f"{key}, not yet copied"):
            if copied := self.shadows.ledger.claim_chunk(table.name, key, staged, rejected):
                self._copy_rows(table, key, staged)
                if rejected:
                    self._copy_rejects(table, rejects_key(key), rejected)
                self.shadows.ledger.complete_chunk(key, _read_drift(self.staging, key))
            self.guard.connection.execute("COMMIT")
        return copied

    def _relax(self, table: Table) -> bool:
        """Drop the shadow's rules that its table no longer has, as an error advises; False if there are none."""
        self.guard.connection.execute("ROLLBACK")
        target = qualified(self.shadows.warehouse, table.name)
        outdated = self.guard.connection.query(
            statement("outdated_rules"), parent=target, child=self.shadows.rows(table.name)
        )
        self.guard.connection.apply(outdated)
        return bool(outdated)

    def _copy_rows(self, table: Table, key: str, expected: int, target: Sql | None = None) -> None:
        with self.staging.open(key, table) as stream:
            blocks = csv_lines.from_staged(stream)
            self._copy(target or self.shadows.rows(table.name), TableSchema.of(table), blocks, key, expected)

    def _explain(self, error: DatabaseError, table: Table, key: str, expected: int) -> PipelineError:
        """Find the refused rows in a table without constraints; if that table refuses a row, the chunk is malformed."""
        schema, rows = TableSchema.of(table), qualified(self.shadows.schema, f"chunk_{secrets.token_hex(8)}")
        self.guard.connection.execute(statement("begin"))
        self.guard.connection.execute(statement("create_shadow", table=rows, definition=schema.definition()))
        try:
            self._copy_rows(table, key, expected, rows)
        except DatabaseDataError as malformed:
            return StagingError(f"{key}: the lines are not rows of {schema.name}: {malformed}")
        except PipelineError:  # such as for lack of time
            return error
        target = qualified(self.shadows.warehouse, schema.name)
        return name_items(error, [NewRows(schema, target, rows)], self.guard)

    def _copy_rejects(self, table: Table, key: str, expected: int) -> None:
        rows = _reject_rows(self.shadows.run, table.name, self.staging.lines(key))
        try:
            self._copy(self.shadows.rejects(table.name), REJECTED_ITEMS, csv_lines.from_values(rows), key, expected)
        except DatabaseDataError as error:
            raise StagingError(f"{key}: the lines are not rejects: {error}") from error

    def _copy(self, target: Sql, schema: TableSchema, blocks: Iterator[bytes], key: str, expected: int) -> None:
        copy = statement("copy_in", table=target, columns=listed(schema.names), options=Sql(csv_lines.OPTIONS))
        rows = 0
        try:
            self.guard.limit(_COPY_SECONDS)
            blocks = self.guard.watched(blocks, f"{key}, not all of its {expected} rows copied")
            for first in blocks:  # every block ends at the end of a row
                rows += self.guard.connection.copy_in(copy, chain([first], _for_a_while(blocks)))
            self.guard.limit(self.guard.deadline.seconds_left())
        except DatabaseTimeoutError as error:
            raise TransientError(f"{key}: copying stalled for {_COPY_SECONDS:g} s") from error
        except csv_lines.MalformedError as error:
            raise StagingError(f"{key}: {error}") from error
        if rows != expected:
            raise StagingError(f"{key}: expected {expected} rows, as its chunk's counts state, got {rows}")


def _for_a_while(blocks: Iterator[bytes]) -> Iterator[bytes]:
    end = time.monotonic() + _FEED_SECONDS
    while time.monotonic() < end and (block := next(blocks, None)) is not None:
        yield block


def _reject_rows(run: Run, table: str, lines: Iterable[bytes]) -> Iterator[tuple[str, ...]]:
    for line in lines:
        try:
            reject = json.loads(line)
            key, reason, item = (reject[name] for name in ("key", "reason", "item"))
            row = (run.id, table, item_to_json(key), sanitize(reason), item_to_json(item))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise csv_lines.MalformedError("expected one reject per line, with key, reason and item") from None
        yield row


def _read_drift(staging: Staging, staged_key: str) -> str | None:
    """Return the counts of a staged chunk as a JSON array; None, with a warning, if they cannot be read.

    The counts do not affect the rows, so a run does not fail because of them. Raises `TransientError`.
    """
    try:
        counts = [json.loads(line) for line in staging.lines(drift_key(staged_key))]
    except (StagingError, ValueError) as error:
        logger.warning("drift is not counted", chunk=staged_key, reason=type(error).__name__)
        return None
    return json.dumps(counts)
