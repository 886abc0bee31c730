"""Staged chunks into temporary tables, rejects into `rejected_items`: whole and counted, or not at all."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from demand_pipeline.conversion.jsonb import item_to_json, sanitize
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabaseDataError, StagingError
from demand_pipeline.events import Run, StagedTable
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import column_list, qualified, quote, statement
from demand_pipeline.staging import Staging, rejects_key
from demand_pipeline.warehouse import copy_csv
from demand_pipeline.warehouse.checks import check_time
from demand_pipeline.warehouse.control import REJECTED_ITEMS
from demand_pipeline.warehouse.schema import Layout

_TEMPORARY = "pg_temp"


def stage_name(table: str) -> str:
    """The qualified name of the temporary table that holds a table's new rows."""
    return f"{_TEMPORARY}.{quote(table)}"


@dataclass(frozen=True, slots=True)
class Stager:
    """One load's way from the staging bucket into its transaction.

    Raises StagingError if an object is missing, cut short, malformed or has another number of lines
    than its chunk says; DeadlineError if time runs out.
    """

    connection: Connection
    schema: str
    staging: Staging
    run: Run
    deadline: Deadline

    def stage_rows(self, staged: StagedTable) -> int:
        """Copy a table's chunks into its temporary table and return the number of rows."""
        layout = Layout.of(staged.table)
        name = stage_name(staged.table.name)
        self.connection.execute(f"CREATE TEMPORARY TABLE {name} ({layout.definition()}) ON COMMIT DROP")
        rows = 0
        for chunk in staged.chunks:
            with self.staging.open(chunk.key) as stream:
                rows += self._copy(name, layout, copy_csv.from_staged(stream), chunk.key, chunk.staged)
        return rows

    def stage_rejects(self, staged: StagedTable) -> None:
        """Replace a table's rejected items by this run's."""
        table = staged.table.name
        self.connection.execute(statement("delete_rejected_items", schema=self.schema), table=table)
        name = qualified(self.schema, REJECTED_ITEMS.name)
        for chunk in staged.chunks:
            if chunk.rejected:
                key = rejects_key(chunk.key)
                rows = _reject_rows(self.run, table, self.staging.lines(key))
                self._copy(name, REJECTED_ITEMS, copy_csv.from_values(rows), key, chunk.rejected)

    def _copy(self, name: str, layout: Layout, blocks: Iterator[bytes], key: str, expected: int) -> int:
        copy = f"COPY {name} ({column_list(layout.names)}) FROM STDIN WITH {copy_csv.OPTIONS}"
        try:
            rows = self.connection.copy_in(copy, self._in_time(blocks, key))
        except copy_csv.MalformedError as error:
            raise StagingError(f"{key}: {error}") from error
        except DatabaseDataError as error:
            raise StagingError(f"{key}: expected rows of {layout.name}, got {error}") from error
        if rows != expected:
            raise StagingError(f"{key}: expected {expected} rows as its chunk's counts say, got {rows}")
        return rows

    def _in_time(self, blocks: Iterator[bytes], key: str) -> Iterator[bytes]:
        for block in blocks:
            check_time(self.deadline, f"copying {key}")
            yield block


def _reject_rows(run: Run, table: str, lines: Iterable[bytes]) -> Iterator[tuple[str, ...]]:
    for line in lines:
        try:
            reject = json.loads(line)
            key, reason, item = (reject[name] for name in ("key", "reason", "item"))
            row = (run.id, table, item_to_json(key), sanitize(reason), item_to_json(item))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise copy_csv.MalformedError("expected key, reason and item of a reject a line") from None
        yield row
