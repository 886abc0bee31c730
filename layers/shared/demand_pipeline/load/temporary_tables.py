"""Staged chunks into temporary tables, rejects into `rejected_items`: whole and counted, or not at all."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from demand_pipeline.contracts.event import Run
from demand_pipeline.errors import DatabaseDataError, DatabaseTimeoutError, StagingError, TransientError
from demand_pipeline.load import copy_csv
from demand_pipeline.load.context import TableLoad
from demand_pipeline.load.control_tables import REJECTED_ITEMS
from demand_pipeline.load.guard import Guard
from demand_pipeline.load.schema import TableSchema
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, listed, qualified, quote, statement
from demand_pipeline.s3.staging import Staging, rejects_key
from demand_pipeline.tables import Column, ColumnType
from demand_pipeline.transform.jsonb import REPLACEMENT, item_to_json, sanitize

# A session in a COPY looks active however long its client is silent, so each COPY is short: by its age, a load
# whose client hangs can be told from an active one (`locks`), and a client that resumes finds its COPY refused.
_FEED_SECONDS = 20.0
_COPY_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class ChunkCopier:
    """Copies a run's staged chunks and rejects from the staging bucket into the load's transaction.

    Raises StagingError if an object is missing, cut short, malformed or has another number of lines
    than its chunk says; DeadlineError if time runs out.
    """

    connection: Connection
    schema: str
    staging: Staging
    run: Run
    guard: Guard

    def copy_rows(self, table: TableLoad) -> int:
        """Copy a table's chunks into its temporary table and return the number of rows."""
        definition = table.schema.definition()
        self.connection.execute(statement("create_temporary_table", temporary=table.temporary, definition=definition))
        chunks, rows = table.staged.chunks, 0
        for number, chunk in enumerate(chunks, 1):
            progress = f"{table.name}, chunk {number} of {len(chunks)}, {rows} of {table.staged.staged} rows copied"
            with self.staging.open(chunk.key, table.staged.table) as stream:
                blocks = self.guard.watched(copy_csv.from_staged(stream), progress)
                rows += self._copy(table.temporary, table.schema, blocks, chunk.key, chunk.staged)
        return rows

    def copy_rejects(self, table: TableLoad) -> None:
        """Replace a table's rejected items by this run's."""
        self.connection.execute(statement("delete_rejected_items", schema=self.schema), table=table.name)
        target = qualified(self.schema, REJECTED_ITEMS.name)
        for number, chunk in enumerate(table.staged.chunks, 1):
            if chunk.rejected:
                key = rejects_key(chunk.key)
                rows = _reject_rows(self.run, table.name, self.staging.lines(key))
                blocks = self.guard.watched(copy_csv.from_values(rows), f"{table.name}, rejects of chunk {number}")
                self._copy(target, REJECTED_ITEMS, blocks, key, chunk.rejected)

    def reject_key_collisions(self, table: TableLoad) -> int:
        """Move rows whose key became another row's by U+FFFD to the rejected items, all but the first; their number.

        Two keys of DynamoDB may differ by U+0000 alone. Equal keys without a replaced character stay:
        those are an error, and DuplicateKeyError says so.
        """
        key = table.staged.table.key
        texts = [column.name for column in key if column.type is ColumnType.TEXT]
        if not table.staged.sanitized or not texts:
            return 0
        return self.connection.execute(
            statement(
                "reject_key_collisions",
                schema=self.schema,
                temporary=table.temporary,
                key=listed([column.name for column in key]),
                shown_key=listed([Sql(f":attribute_{i}::text, {_as_json(column)}") for i, column in enumerate(key)]),
                is_replaced=listed([Sql(f"strpos({quote(name)}, :replacement) > 0") for name in texts], " OR "),
            ),
            replacement=REPLACEMENT,
            run=self.run.id,
            table=table.name,
            reason="key: expected one of its own, got another item's once U+0000 is U+FFFD",
            **{f"attribute_{i}": column.attribute for i, column in enumerate(key)},
        )

    def _copy(self, target: Sql, schema: TableSchema, blocks: Iterator[bytes], key: str, expected: int) -> int:
        copy = statement("copy_in", table=target, columns=listed(schema.names), options=Sql(copy_csv.OPTIONS))
        rows = 0
        try:
            self.guard.limit(_COPY_SECONDS)
            for first in blocks:  # every block ends where a row does
                rows += self.connection.copy_in(copy, chain([first], _for_a_while(blocks)))
            self.guard.limit(self.guard.deadline.seconds_left())
        except DatabaseTimeoutError as error:
            raise TransientError(f"{key}: copying stalled for {_COPY_SECONDS:g} s") from error
        except copy_csv.MalformedError as error:
            raise StagingError(f"{key}: {error}") from error
        except DatabaseDataError as error:
            raise StagingError(f"{key}: expected rows of {schema.name}, got {error}") from error
        if rows != expected:
            raise StagingError(f"{key}: expected {expected} rows as its chunk's counts say, got {rows}")
        return rows


def _as_json(column: Column) -> Sql:
    """A key column's value as it is in any reject's key: binary as base64 in one line."""
    name = quote(column.name)
    return Sql(f"replace(encode({name}, 'base64'), chr(10), '')") if column.type is ColumnType.BYTEA else name


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
            raise copy_csv.MalformedError("expected one reject per line, with key, reason and item") from None
        yield row
