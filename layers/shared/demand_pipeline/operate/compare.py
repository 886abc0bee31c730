"""The action `compare`: which rows of a table differ from the rows that a load would write.

PostgreSQL casts the given texts to the columns' types, as in a COPY, before it compares them. So stored values are
compared, and the spelling does not matter.
"""

from collections.abc import Iterator
from typing import Any

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.compare import ColumnDifference, CompareAnswer, CompareRequest, RowDifference
from demand_pipeline.load.warehouse.schema import TableSchema, alone
from demand_pipeline.operate.pages import fitting
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, listed, qualified, quote

statement = Statements(__package__)

_SHOWN = 200  # characters of a value


def answer(connection: Connection, schema: str, arguments: Fields) -> CompareAnswer:
    """Compare rows by their keys; raises DatabaseDataError if a value is invalid for its column's type."""
    request = CompareRequest.read(arguments)
    if not request.rows:
        return CompareAnswer(0, ())
    wanted = TableSchema.of(request.table)
    [only] = alone(connection, [qualified(schema, request.table.name)])
    sql = _statement(only, wanted)
    texts = {f"column_{i}": list(column) for i, column in enumerate(zip(*request.rows, strict=True))}
    found = [_difference(wanted, *row) for row in connection.query(sql, **texts)]
    differences = fitting(found)
    compared = len(request.rows) if len(differences) == len(found) else found[len(differences)].index
    return CompareAnswer(compared, tuple(differences))


def _statement(only: Sql, wanted: TableSchema) -> Sql:
    given = {name: f"column_{i}" for i, name in enumerate(wanted.names)}
    return statement(
        "compare_rows",
        only=only,
        columns=listed(given.values()),
        arrays=listed([Sql(f":{column}::text[]") for column in given.values()]),
        values=listed([Sql(f"{column}::{wanted.types[name]} AS {column}") for name, column in given.items()]),
        first_key=wanted.key[0],
        is_same_key=listed([Sql(f"target.{quote(name)} = incoming.{given[name]}") for name in wanted.key], " AND "),
        target_row=Sql(f"ROW({listed([Sql(f'target.{quote(name)}') for name in given])})::record"),
        incoming_row=Sql(f"ROW({listed([Sql(f'incoming.{column}') for column in given.values()])})::record"),
        differences=listed([_shown(f"target.{quote(name)}", f"incoming.{column}") for name, column in given.items()]),
    )


def _shown(found: str, expected: str) -> Sql:
    """Return an expression for the expected and the found value of a column, null if they are equal."""
    differ = f"ROW({found})::record *<> ROW({expected})::record"
    return Sql(f"CASE WHEN {differ} THEN ARRAY[{_cut(expected)}, {_cut(found)}] END")


def _cut(value: str) -> str:
    return f"left({value}::text, {_SHOWN})"


def _difference(wanted: TableSchema, number: int, missing: bool, *columns: Any) -> RowDifference:  # noqa: FBT001 - a row
    return RowDifference(number - 1, missing, () if missing else tuple(_columns(wanted, columns)))


def _columns(wanted: TableSchema, columns: tuple[Any, ...]) -> Iterator[ColumnDifference]:
    for name, values in zip(wanted.names, columns, strict=True):
        if values is not None:
            yield ColumnDifference(name, *values)
