"""Changes at the source since a table's previous run: attributes that are new, vanished or have a different type."""

import json
from collections.abc import Iterable, Iterator, Mapping

from demand_pipeline.contracts.loading import AttributeChange
from demand_pipeline.errors import StagingError
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements
from demand_pipeline.s3.staging import Staging, drift_key
from demand_pipeline.tables import Table
from demand_pipeline.transform.column_tree import leaf_columns, map_paths
from demand_pipeline.transform.drift import ALL, MAX_ATTRIBUTES, NONE, OTHERS, path_text

statement = Statements(__package__)

NEW, VANISHED, RETYPED = "new", "vanished", "retyped"

type Counts = Mapping[str, Mapping[str, int]]
"""Items by DynamoDB type, by path."""


def read_counts(staging: Staging, staged_key: str) -> str | None:
    """Return the counts of a staged chunk as a JSON array; None, with a warning, if they cannot be read.

    The counts do not affect the rows, so a run does not fail because of them. Raises `TransientError`.
    """
    try:
        counts = [json.loads(line) for line in staging.lines(drift_key(staged_key))]
    except (StagingError, ValueError) as error:
        logger.warning("drift is not counted", chunk=staged_key, reason=type(error).__name__)
        return None
    return json.dumps(counts)


def record_attributes(connection: Connection, schema: str, run: str, ledger: Sql) -> None:
    """Record the sums of the counts of all chunks in the ledger."""
    insert = statement("insert_run_attributes", schema=schema, ledger=ledger)
    connection.execute(insert, run=run, most=MAX_ATTRIBUTES)


def find_changes(connection: Connection, schema: str, run: str, tables: Iterable[Table]) -> tuple[AttributeChange, ...]:
    """Compare a recorded run's tables with their previous runs; a table without a previous run has no changes."""
    found: list[AttributeChange] = []
    for table in tables:
        if before := find_before(connection, schema, run, table):
            found += compare(table, *(read_attributes(connection, schema, each, table) for each in (before, run)))
    return tuple(found)


def find_before(connection: Connection, schema: str, run: str, table: Table) -> str | None:
    """Return the run to compare a recorded run with, for a table: the last run before it that counted drift."""
    before = connection.query(statement("run_before", schema=schema), run=run, table=table.name)
    return str(before[0][0]) if before else None


def read_attributes(connection: Connection, schema: str, run: str, table: Table) -> Counts:
    """Return a run's counts of a table; empty if it did not count drift."""
    counts: dict[str, dict[str, int]] = {}
    for path, kind, items in connection.query(statement("run_attributes", schema=schema), run=run, table=table.name):
        counts.setdefault(path, {})[kind] = int(items)
    return counts


def compare(table: Table, before: Counts, now: Counts) -> Iterator[AttributeChange]:
    """Yield the changes between two runs, by path, except for attributes that a column now reads.

    An empty table shows nothing about its attributes.
    """
    if not (_items(before, ALL) and _items(now, ALL)):
        return
    columns = {path_text(path) for path in leaf_columns(table)}
    maps = {path_text(path) for path in map_paths(table)}
    for path in sorted((before.keys() | now.keys()) - {ALL, OTHERS}):
        old, new = before.get(path, {}), now.get(path, {})
        added = new.keys() - old.keys() - {NONE}
        if path in columns:  # only unusual types are counted, plus a marker when no item has a value
            change = VANISHED if NONE in new.keys() - old.keys() else NEW if NONE in old.keys() - new.keys() else ""
        elif path in maps or any(path.startswith(f"{column}.") for column in columns):
            change = ""  # it is a map now and was not before, or a column now reads it
        else:
            change = VANISHED if old and not new else NEW if new and not old else ""
        # If there were too many attributes to count each, a missing one may be among the others.
        if (change == VANISHED and OTHERS in now) or (change == NEW and OTHERS in before):
            continue
        if change == VANISHED:
            yield AttributeChange(table.name, path, change, tuple(sorted(old)), sum(old.values()))
        elif change or added:
            items = sum(new[kind] for kind in added)
            yield AttributeChange(table.name, path, change or RETYPED, tuple(sorted(added)), items)


def _items(counts: Counts, path: str) -> int:
    return sum(counts.get(path, {}).values())
