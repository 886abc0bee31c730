"""Staged chunks into temporary tables, rejects into `rejected_items`: whole and counted, or not at all."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from demand_pipeline.contracts.event import Run
from demand_pipeline.contracts.loading import StagedTable
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabaseDataError, DatabaseTimeoutError, StagingError, TransientError
from demand_pipeline.load import copy_csv
from demand_pipeline.load.checks import check_time
from demand_pipeline.load.control_tables import REJECTED_ITEMS
from demand_pipeline.load.schema import TableSchema
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import column_list, qualified, quote, statement
from demand_pipeline.s3.staging import Staging, rejects_key
from demand_pipeline.tables import Column, ColumnType
from demand_pipeline.transform.jsonb import REPLACEMENT, item_to_json, sanitize

_TEMPORARY = "pg_temp"

# A session in a COPY looks active however long its client is silent, so each COPY is short: by its age, a load
# whose client hangs can be told from an active one (`locks`), and a client that resumes finds its COPY refused.
_FEED_SECONDS = 20.0
_COPY_SECONDS = 45.0


def temporary_name(table: str) -> str:
    """The qualified name of the temporary table that holds a table's new rows."""
    return f"{_TEMPORARY}.{quote(table)}"


def limit_statements(connection: Connection, seconds: float) -> None:
    """From here on to the end of the transaction, no statement may take longer."""
    connection.query(statement("limit_statements"), milliseconds=str(max(1, round(seconds * 1000))))


@dataclass(frozen=True, slots=True)
class ChunkCopier:
    """One load's way from the staging bucket into its transaction.

    Raises StagingError if an object is missing, cut short, malformed or has another number of lines
    than its chunk says; DeadlineError if time runs out.
    """

    connection: Connection
    schema: str
    staging: Staging
    run: Run
    deadline: Deadline

    def copy_rows(self, staged: StagedTable) -> int:
        """Copy a table's chunks into its temporary table and return the number of rows."""
        layout = TableSchema.of(staged.table)
        name = temporary_name(staged.table.name)
        self.connection.execute(f"CREATE TEMPORARY TABLE {name} ({layout.definition()}) ON COMMIT DROP")
        rows = 0
        for number, chunk in enumerate(staged.chunks, 1):
            done = f"{staged.table.name}, chunk {number} of {len(staged.chunks)}, {rows} of {staged.staged} rows copied"
            with self.staging.open(chunk.key, staged.table) as stream:
                blocks = self._in_time(copy_csv.from_staged(stream), done)
                rows += self._copy(name, layout, blocks, chunk.key, chunk.staged)
        return rows

    def copy_rejects(self, staged: StagedTable) -> None:
        """Replace a table's rejected items by this run's."""
        table = staged.table.name
        self.connection.execute(statement("delete_rejected_items", schema=self.schema), table=table)
        name = qualified(self.schema, REJECTED_ITEMS.name)
        for number, chunk in enumerate(staged.chunks, 1):
            if chunk.rejected:
                key = rejects_key(chunk.key)
                rows = _reject_rows(self.run, table, self.staging.lines(key))
                blocks = self._in_time(copy_csv.from_values(rows), f"{table}, rejects of chunk {number}")
                self._copy(name, REJECTED_ITEMS, blocks, key, chunk.rejected)

    def reject_key_collisions(self, staged: StagedTable) -> int:
        """Move rows whose key became another row's by U+FFFD to the rejected items, all but the first; their number.

        Two keys of DynamoDB may differ by U+0000 alone. Equal keys without a replaced character stay:
        those are a mistake, and DuplicateKeyError says so.
        """
        texts = [column.name for column in staged.table.key if column.type is ColumnType.TEXT]
        if not staged.sanitized or not texts:
            return 0
        key = column_list(tuple(column.name for column in staged.table.key))
        shown = ", ".join([f":attribute_{i}::text, {_as_json(column)}" for i, column in enumerate(staged.table.key)])
        replaced = " OR ".join([f"strpos({quote(name)}, :replacement) > 0" for name in texts])
        number = f"row_number() OVER (PARTITION BY {key} ORDER BY ctid)"
        name = temporary_name(staged.table.name)
        return self.connection.execute(
            f"WITH numbered AS (SELECT ctid AS place, {number} AS number "  # noqa: S608
            f"FROM {name} WHERE {replaced}), "
            f"moved AS (DELETE FROM {name} AS row USING numbered "
            "WHERE row.ctid = numbered.place AND numbered.number > 1 RETURNING row.*) "
            f"INSERT INTO {qualified(self.schema, REJECTED_ITEMS.name)} ({column_list(REJECTED_ITEMS.names)}) "
            f"SELECT :run, :table, jsonb_build_object({shown}), :reason, to_jsonb(moved) FROM moved",
            replacement=REPLACEMENT,
            run=self.run.id,
            table=staged.table.name,
            reason="key: expected one of its own, got another item's once U+0000 is U+FFFD",
            **{f"attribute_{i}": column.attribute for i, column in enumerate(staged.table.key)},
        )

    def _copy(self, name: str, layout: TableSchema, blocks: Iterator[bytes], key: str, expected: int) -> int:
        copy = f"COPY {name} ({column_list(layout.names)}) FROM STDIN WITH {copy_csv.OPTIONS}"
        rows = 0
        try:
            limit_statements(self.connection, _COPY_SECONDS)
            for first in blocks:  # every block ends where a row does
                rows += self.connection.copy_in(copy, chain([first], _for_a_while(blocks)))
            limit_statements(self.connection, self.deadline.seconds_left())
        except DatabaseTimeoutError as error:
            raise TransientError(f"{key}: copying stalled for {_COPY_SECONDS:g} s") from error
        except copy_csv.MalformedError as error:
            raise StagingError(f"{key}: {error}") from error
        except DatabaseDataError as error:
            raise StagingError(f"{key}: expected rows of {layout.name}, got {error}") from error
        if rows != expected:
            raise StagingError(f"{key}: expected {expected} rows as its chunk's counts say, got {rows}")
        return rows

    def _in_time(self, blocks: Iterator[bytes], done: str) -> Iterator[bytes]:
        for block in blocks:
            check_time(self.deadline, done)
            yield block


def _as_json(column: Column) -> str:
    """A key column's value as it is in any reject's key: binary as base64 in one line."""
    name = quote(column.name)
    return f"replace(encode({name}, 'base64'), chr(10), '')" if column.type is ColumnType.BYTEA else name


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
