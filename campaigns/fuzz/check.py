"""Loads random items into PostgreSQL, and compares the rows with the reference: only S3 is faked."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from campaigns.fuzz.generator import SERIAL, Generator
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.event import Run
from demand_pipeline.contracts.loading import StagedChunk, StagedTable
from demand_pipeline.contracts.transforming import TransformRequest
from demand_pipeline.deadline import Deadline
from demand_pipeline.load.context import TableLoad
from demand_pipeline.load.copy.chunks import ChunkCopier
from demand_pipeline.load.copy.shadows import Shadows
from demand_pipeline.load.guard import Guard
from demand_pipeline.load.warehouse.control_tables import REJECTED_ITEMS, replace_rejects
from demand_pipeline.load.warehouse.housekeeping import drop_run
from demand_pipeline.load.warehouse.schema import TableSchema, create_table, pipeline_schema
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import listed, qualified
from demand_pipeline.s3.staging import rejects_key
from demand_pipeline.tables import Table
from demand_pipeline.transform.chunk import transform_chunk
from demand_pipeline.transform.jsonb import sanitize
from tests.support.reference import RejectedBy, expected_row, plain, storable
from tests.support.staged import python_value

STARTED = datetime(2026, 11, 23, tzinfo=UTC)
DEADLINE = Deadline(lambda: 900_000)
KEY_LIMIT = 2600  # bytes; PostgreSQL's limit of an index entry is 2,704


class Memory:
    """A staging bucket in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    @contextmanager
    def create(self, key: str, _table: Table | None = None) -> Iterator[io.BytesIO]:
        stream = io.BytesIO()
        yield stream
        self.objects[key] = stream.getvalue()

    @contextmanager
    def open(self, key: str, _table: Table | None = None) -> Iterator[io.BytesIO]:
        yield io.BytesIO(self.objects[key])

    def lines(self, key: str) -> Iterator[bytes]:
        return iter(io.BytesIO(self.objects[key]))


def prepare(connection: Connection) -> None:
    """Create the warehouse's tables, and the shadows' schema, which two processes cannot create at the same time."""
    connection.execute(f"CREATE SCHEMA fuzz; CREATE SCHEMA {pipeline_schema('fuzz')}")
    for declared in (REJECTED_ITEMS, *map(TableSchema.of, TABLES.values())):
        connection.execute(create_table("fuzz", declared))


def check_batch(connection: Connection, table: Table, generator: Generator, count: int) -> list[str]:
    """Convert and load `count` items of a table; return the problems, one text per item."""
    items = [generator.item(table) for _ in range(count)]
    escaped = generator.random.random() < 0.5  # DynamoDB writes UTF-8; half a surrogate pair can only be escaped
    pages = [items[start : start + 100] for start in range(0, count, 100)]
    memory: Any = Memory()
    memory.objects["raw"] = b"".join([_page(page, escaped=escaped) for page in pages])
    run = Run("fuzz", f"fuzz {generator.seed}", STARTED)  # unique: another process may check the same table
    request = TransformRequest(run=run, table=table, segment=0, chunk=0, key="raw", page=0, items=count)
    with redirect_stdout(io.StringIO()):  # the metrics of a chunk
        result = transform_chunk(request, memory, DEADLINE)
    counts = {name: getattr(result, name) for name in ("key", "scanned", "staged", "rejected", "sanitized")}
    staged = StagedTable(table, segments=1, chunks=(StagedChunk(**counts, read_units=0, bytes=0),))
    rows, rejects = _load(connection, run, staged, memory)
    reasons = [json.loads(line)["reason"] for line in memory.objects.get(rejects_key(result.key), b"").splitlines()]
    return _compare(table, items, rows, rejects, reasons, result.sanitized)


def _page(items: list[Any], *, escaped: bool) -> bytes:
    text = json.dumps({"Items": items}, ensure_ascii=False, separators=(",", ":"))
    try:
        return (json.dumps({"Items": items}) if escaped else text).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps({"Items": items}).encode() + b"\n"


def _load(
    connection: Connection, run: Run, staged: StagedTable, memory: Any
) -> tuple[list[list[Any]], list[list[Any]]]:
    """Copy the rows, fill the table, which has its primary key, and read everything as text."""
    guard, shadows = Guard(connection, DEADLINE), Shadows(connection, "fuzz", run)
    table = TableLoad(staged, qualified("fuzz", staged.table.name), shadows.rows(staged.table.name))
    shadows.create([table.schema])
    [chunk] = staged.chunks
    assert ChunkCopier(shadows, memory, guard).copy(staged.table, chunk.key, chunk.staged, chunk.rejected)
    connection.execute("BEGIN")
    replace_rejects(connection, "fuzz", {table.name: shadows.rejects(table.name)})
    names = listed(table.schema.names)
    fill = f"INSERT INTO {table.target} ({names}) SELECT {names} FROM {table.shadow}"  # noqa: S608 - quoted
    assert connection.execute(fill) == staged.staged
    columns = ", ".join(f'"{column.name}"::text' for column in staged.table.stored_columns)
    serial = f"->>'{SERIAL}')::bigint"
    select = f'SELECT {columns} FROM fuzz."{staged.table.name}" ORDER BY (extra{serial}'  # noqa: S608
    rows = connection.query(select)
    rejects = connection.query("SELECT reason, item::text FROM fuzz.rejected_items ORDER BY (item" + serial)  # noqa: S608
    connection.execute("ROLLBACK")
    drop_run(connection, shadows.schema, shadows.suffix)
    return rows, rejects


def _compare(  # noqa: PLR0913, PLR0917
    table: Table, items: list[Any], rows: list[Any], rejects: list[Any], reasons: list[str], sanitized: int
) -> list[str]:
    wrong: list[str] = []
    left, refused, dirty = iter(rows), iter(rejects), 0
    for item in items:
        try:
            expected, replaced = expected_row(item, table)
        except RejectedBy as reject:
            is_key = reject.column in [column.name for column in table.key]  # a key may also be too long
            wanted = [reject.column, *(["key"] if is_key else [])]
        else:
            wanted = ["key"] if _key_bytes(expected, table) > KEY_LIMIT else []
        if wanted:
            reason, kept = next(refused, (None, ""))
            if reason is None:
                return [*wrong, f"{table.name}: expected a reject by {wanted}, got a row: {item!r:.300}"]
            if not reason.startswith(tuple(f"{name}: expected " for name in wanted)) or _json(kept) != _same(
                plain({"M": storable(item)})
            ):
                wrong.append(f"{table.name}: reject by {wanted}, got {reason!r}: {item!r:.300}")
            continue
        dirty += replaced
        row = next(left, None)
        if row is None:
            return [*wrong, f"{table.name}: expected a row, got a reject: {item!r:.300}"]
        found = [_parse(column.type, text) for column, text in zip(table.stored_columns, row, strict=True)]
        if found != [_same(expected[column.name]) for column in table.stored_columns]:
            wrong.append(f"{table.name}: expected {expected!r:.300}, got {found!r:.300}: {item!r:.300}")
    if [sanitize(reason) for reason in reasons] != [reason for reason, _ in rejects] or dirty != sanitized:
        wrong.append(f"{table.name}: {sanitized} rows sanitized, expected {dirty}, or reasons that differ")
    return wrong


def _key_bytes(row: dict[str, Any], table: Table) -> int:
    return sum(len(str(row[column.name]).encode()) for column in table.key)


def _same(value: Any) -> Any:
    """Add the type to numbers, since True equals 1 in Python; numbers are exact."""
    if isinstance(value, dict):
        return {name: _same(content) for name, content in value.items()}
    if isinstance(value, list):
        return [_same(element) for element in value]
    return ("number", Decimal(value)) if type(value) in (int, Decimal) else value


def _json(text: str) -> Any:
    return _same(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def _parse(kind: str, text: str | None) -> Any:
    """Convert PostgreSQL's text to the reference's value."""
    return None if text is None else _same(python_value(kind, text))
