"""Rehearses a swap with empty copies, to find problems that the list of known cases does not contain.

The rehearsal is rolled back, and takes only a reader's lock on the table.
"""

from collections.abc import Iterator
from typing import Any

from demand_pipeline.errors import DatabaseTimeoutError, LockTimeoutError, PipelineError, TransientError
from demand_pipeline.load.swap.builds import find_index_builds
from demand_pipeline.load.swap.parent import create_parent_like, is_plain, refusing_builds
from demand_pipeline.load.swap.shadow import add_declared_columns, align, create_shadow
from demand_pipeline.load.swap.slots import Slot
from demand_pipeline.load.warehouse.problem import Problem
from demand_pipeline.load.warehouse.schema import ensure_schema
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, qualified

statement = Statements(__package__)

_OTHERWISE = "load it with truncate or merge"


def rehearse(connection: Connection, slot: Slot) -> list[Problem]:
    """Convert a copy of an existing table, and swap a partition in; return the properties lost, or else the failure."""
    problems: list[Problem] = []
    connection.execute("SAVEPOINT rehearsal")
    try:
        problems.extend(_rehearse(connection, slot))
    except (TransientError, LockTimeoutError, DatabaseTimeoutError):
        raise  # unrelated to the table
    except PipelineError as error:
        problems = problems or [Problem(f"a rehearsal with an empty copy of it failed: {error}", None, _OTHERWISE)]
    connection.execute("ROLLBACK TO SAVEPOINT rehearsal; RELEASE SAVEPOINT rehearsal")
    return problems


def _rehearse(connection: Connection, slot: Slot) -> Iterator[Problem]:
    ensure_schema(connection, slot.pipeline)
    parent, shadow = (qualified(slot.pipeline, name) for name in ("rehearsed_parent", "rehearsed_partition"))
    create_parent_like(connection, slot, parent, foreign_keys=False)
    if is_plain(connection, slot.parent):
        yield from _find_losses(connection, slot.parent, parent)
    add_declared_columns(connection, slot, parent)
    create_shadow(connection, slot, shadow)
    align(connection, slot.parent, shadow, slot.schema.names)
    for build in find_index_builds(connection, parent, shadow):
        connection.execute(build.statement)
    with refusing_builds(connection, [shadow], [shadow]):
        connection.execute(statement("attach", parent=parent, partition=shadow, bound=slot.bound))


def _find_losses(connection: Connection, table: Sql, copy: Sql) -> Iterator[Problem]:
    """Compare all properties of a table and of its copy."""
    before, after = (
        {name: (removal, properties) for name, removal, properties in _facts(connection, relation)}
        for relation in (table, copy)
    )
    for name, (removal, properties) in before.items():
        solution = (f"{removal};", None) if removal else (None, _OTHERWISE)
        if name not in after:
            yield Problem(f"{name} would be lost", *solution)
            continue
        kept = after[name][1]
        for key, value in properties.items():
            if kept.get(key) != value:
                text = f"of {name}, {key} would become {kept.get(key)} instead of {value}"
                yield Problem(text, *solution)
    for name in after.keys() - before.keys():
        yield Problem(f"{name} would be new", None, _OTHERWISE)


def _facts(connection: Connection, relation: Sql) -> list[list[Any]]:
    return connection.query(statement("table_facts"), relation=relation)
