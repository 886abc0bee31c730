"""Changes at the sources, and the line of the declaration that would read each new attribute."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from demand.errors import UsageError
from demand.infer.declaration import Proposal, column_line
from demand.infer.names import column_names
from demand.runs.recorded import full_name
from demand.warehouse import Warehouse
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import AttributeChange
from demand_pipeline.contracts.operating.drift import DriftAnswer, TableDrift
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.tables import ColumnType

_is_step = re.compile(r'\w+|"(?:[^"\\]|\\.)*"').findall
# Types of columns that accept every value. Only demand infer reads the values, which may be dates.
_COLUMN_TYPES = {
    "S": ColumnType.TEXT,
    "N": ColumnType.NUMERIC,
    "B": ColumnType.BYTEA,
    "BOOL": ColumnType.BOOLEAN,
    "SS": ColumnType.TEXT_ARRAY,
    "NS": ColumnType.NUMERIC_ARRAY,
}


@dataclass(frozen=True)
class Change:
    """A change, and the line to paste for an attribute that no column reads."""

    table: str
    run: str
    change: str
    path: str
    types: tuple[str, ...]
    items: int
    column: str | None


@dataclass(frozen=True)
class Drift:
    """The changes of each table's run, and the reason for each table that was not compared."""

    changes: tuple[Change, ...]
    not_compared: dict[str, str]


def drift(warehouse: Warehouse, run: str | None) -> Drift:
    """Ask what changed in a run, or in the last run of each table; raises DemandError."""
    name = full_name(warehouse, run) if run else None
    answer = warehouse.ask(DriftAnswer, ActionName.DRIFT, run=name)
    if not answer.tables:
        looked_for = f"no committed run {run}" if run else "no committed run"
        raise UsageError(f"{looked_for} in pipeline_runs", "demand runs")
    changes = [made for table in answer.tables for made in _changes(table)]
    return Drift(tuple(changes), {table.table: reason for table in answer.tables if (reason := _reason(table))})


def parse_path(text: str) -> tuple[str, ...]:
    """Split a path, as `demand_pipeline.transform.drift.path_text` writes it, into names."""
    return tuple(json.loads(step) if step.startswith('"') else step for step in _is_step(text))


def _reason(table: TableDrift) -> str | None:
    if table.items is None:
        return f"run {table.run} did not count its attributes"
    return None if table.before else f"run {table.run} is the first that counted its attributes"


def _changes(table: TableDrift) -> Iterable[Change]:
    taken = [column.name for column in TABLES[table.table].columns]
    for change in table.changes:
        column = None
        if change.change == "new" and change.types:
            column = _column(change, taken, table.items or change.items)
        yield Change(table.table, table.run, change.change, change.path, change.types, change.items, column)


def _column(change: AttributeChange, taken: Iterable[str], items: int) -> str:
    path = parse_path(change.path)
    [kind, *others] = change.types
    *_, name = column_names([*((each,) for each in taken), path])
    proposal = Proposal(
        name=name,
        path=path,
        type=ColumnType.JSONB if others else _COLUMN_TYPES.get(kind, ColumnType.JSONB),
        key=False,
        presence=change.items / max(1, items),
        nulls=0,
        types=(),
        formats=(),
        examples=(),
        doubts=(),
        fit=1,
    )
    return column_line(proposal)
