"""The action `compare`: which rows of a table are not what a load would have written.

PostgreSQL compares, after it has read the given texts as the columns' types, as it does in a COPY. So a difference is
one of stored values, never one of spelling.
"""

from collections.abc import Iterator
from typing import Any

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.compare import ColumnDifference, CompareAnswer, CompareRequest, RowDifference
from demand_pipeline.load.schema import TableSchema
from demand_pipeline.operate.pages import fitting
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, listed, qualified, quote, statement

_SHOWN = 200  # characters of a value


def answer(connection: Connection, schema: str, arguments: Fields) -> CompareAnswer:
    """Compare rows by their keys; raises DatabaseDataError if a value is none of its column's type."""
    request = CompareRequest.read(arguments)
    if not request.rows:
        return CompareAnswer(0, ())
    wanted = TableSchema.of(request.table)
    sql = _statement(qualified(schema, request.table.name), wanted)
    texts = {f"column_{i}": list(column) for i, column in enumerate(zip(*request.rows, strict=True))}
    found = [_difference(wanted, *row) for row in connection.query(sql, **texts)]
    differences = fitting(found)
    compared = len(request.rows) if len(differences) == len(found) else found[len(differences)].index
    return CompareAnswer(compared, tuple(differences))


def _statement(table: Sql, wanted: TableSchema) -> Sql:
    names = [quote(name) for name in wanted.names]
    keys = [quote(name) for name in wanted.key]
    target, incoming = (listed([Sql(f"{row}.{name}") for name in names]) for row in ("target", "incoming"))
    return statement(
        "compare_rows",
        table=table,
        columns=listed(names),
        arrays=listed([Sql(f":column_{i}::text[]") for i in range(len(names))]),
        values=listed([Sql(f"{quote(name)}::{kind} AS {quote(name)}") for name, kind in wanted.types.items()]),
        first_key=keys[0],
        is_same_key=listed([Sql(f"target.{name} = incoming.{name}") for name in keys], " AND "),
        target_row=Sql(f"ROW({target})::record"),
        incoming_row=Sql(f"ROW({incoming})::record"),
        differences=listed([Sql(_shown(name)) for name in names]),
    )


def _shown(name: Sql) -> str:
    """Expected and found value of a column, null if they are the same."""
    differ = f"ROW(target.{name})::record *<> ROW(incoming.{name})::record"
    return f"CASE WHEN {differ} THEN ARRAY[{_cut(f'incoming.{name}')}, {_cut(f'target.{name}')}] END"


def _cut(value: str) -> str:
    return f"left({value}::text, {_SHOWN})"


def _difference(wanted: TableSchema, number: int, missing: bool, *columns: Any) -> RowDifference:  # noqa: FBT001 - a row
    return RowDifference(number - 1, missing, () if missing else tuple(_columns(wanted, columns)))


def _columns(wanted: TableSchema, columns: tuple[Any, ...]) -> Iterator[ColumnDifference]:
    for name, values in zip(wanted.names, columns, strict=True):
        if values is not None:
            yield ColumnDifference(name, *values)
