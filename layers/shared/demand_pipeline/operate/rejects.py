"""The actions `rejects` and `rejected_items`: the reasons for rejects, and the rejected items."""

from typing import Any

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.rejects import (
    RejectedItem,
    RejectedItemsAnswer,
    RejectedItemsRequest,
    RejectReason,
    RejectSample,
    RejectsAnswer,
    RejectsRequest,
)
from demand_pipeline.load.warehouse.control_tables import REJECTED_ITEMS
from demand_pipeline.operate.pages import ANSWER_BYTES, fitting
from demand_pipeline.operate.status import exists
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, qualified
from demand_pipeline.s3.staging import ChunkKind, table_folder
from demand_pipeline.transform.reason import GOT

statement = Statements(__package__)

_MOST_REASONS = 1000
_ROWS = 1000  # per page, at most
_FETCHED = 20  # rows at once
_LARGEST_ITEM = ANSWER_BYTES // 3  # JSON escaping at most triples its size
_BEGINNING = 1000  # characters of a larger item that are shown
_FIRST = "(0,0)"  # precedes every row: PostgreSQL numbers the rows of a block from 1


def answer(connection: Connection, schema: str, arguments: Fields) -> RejectsAnswer:
    """Count rejects by reason."""
    request = RejectsRequest.read(arguments)
    if not exists(connection, schema, REJECTED_ITEMS.name):
        return RejectsAnswer((), complete=True)
    rows = connection.query(
        statement("reject_reasons", schema=schema),
        run=request.run,
        table=request.table,
        samples=request.samples,
        got=GOT,
        most=_MOST_REASONS + 1,
    )
    reasons = fitting([_reason(row) for row in rows[:_MOST_REASONS]])
    return RejectsAnswer(tuple(reasons), complete=len(reasons) == len(rows))


def answer_items(connection: Connection, schema: str, arguments: Fields) -> RejectedItemsAnswer:
    """Return one page of rejected items; items that are too large for an answer are truncated."""
    request = RejectedItemsRequest.read(arguments)
    if not exists(connection, schema, REJECTED_ITEMS.name):
        return RejectedItemsAnswer((), next=None)
    start, _, after = (request.after or f"0 {_FIRST}").partition(" ")
    relations = connection.query(
        statement("rejects_relations"), relation=qualified(schema, REJECTED_ITEMS.name), start=int(start)
    )
    for number, relation in relations:
        connection.execute(
            statement("read_rejected_items", relation=Sql(relation)),
            run=request.run,
            table=request.table,
            after=after if number == int(start) else _FIRST,
            rows=_ROWS,
            largest=_LARGEST_ITEM,
            beginning=_BEGINNING,
        )
        rows = _fetch(connection)
        if rows:
            items = fitting([_item(connection, schema, row) for row in rows])
            return RejectedItemsAnswer(tuple(items), next=f"{number} {rows[len(items) - 1][0]}")
    return RejectedItemsAnswer((), next=None)


def _fetch(connection: Connection) -> list[list[Any]]:
    """Fetch rows until their items exceed the size of an answer: more rows would only take time."""
    rows: list[list[Any]] = []
    fetch = statement("fetch_rejected_items", number=Sql(str(_FETCHED)))
    while sum(row[-1] for row in rows) < ANSWER_BYTES and (fetched := connection.query(fetch)):
        rows += fetched
    connection.execute(statement("close_rejected_items"))
    return rows


def _item(connection: Connection, schema: str, row: list[Any]) -> RejectedItem:
    _, run, table, key, reason, item, size = row
    if size <= _LARGEST_ITEM:
        return RejectedItem(run, table, key, reason, item)
    runs = connection.query(statement("find_run", schema=schema), run=run)
    folders = [table_folder(run, started_at, ChunkKind.REJECTS, table) for _, started_at, *_ in runs]
    return RejectedItem(run, table, key, reason, item, whole=next(iter(folders), "runs/"))


def _reason(row: list[Any]) -> RejectReason:
    run, table, reason, items, keys, reasons = row
    samples = [RejectSample(key, whole) for key, whole in zip(keys or (), reasons or (), strict=True)]
    return RejectReason(run, table, reason, items, tuple(samples))
