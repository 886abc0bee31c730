"""Changes at the source since a table's previous run: attributes that are new, vanished or have a different type."""

from collections.abc import Iterator, Mapping

from demand_pipeline.contracts.loading import AttributeChange
from demand_pipeline.tables import Table
from demand_pipeline.transform.column_tree import leaf_columns, map_paths
from demand_pipeline.transform.drift import ALL, NONE, OTHERS, path_text

NEW, VANISHED, RETYPED = "new", "vanished", "retyped"

type Counts = Mapping[str, Mapping[str, int]]
"""Items by DynamoDB type, by path."""


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
