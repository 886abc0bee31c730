"""A table whose keys are binary is refreshed from end to end: pages, chunks, rows, rejects, primary key."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.event import CONTRACT, Run
from demand_pipeline.contracts.loading import StagedChunk, StagedTable, Strategy
from demand_pipeline.contracts.scanning import ScanRequest
from demand_pipeline.contracts.transforming import TransformRequest
from demand_pipeline.scan.segment import scan_segment
from demand_pipeline.tables import MAX_KEY_BYTES, Column, ColumnType, Table
from demand_pipeline.transform.chunk import transform_chunk
from local.seed import create_table
from tests.integration.conftest import UNLIMITED, Runs

FILES = Table(
    name="files",
    source="files",
    description="Files by their content.",
    columns=(
        Column("digest", ColumnType.BYTEA, "digest", "Partition key.", key=True),
        Column("part", ColumnType.BYTEA, "part", "Sort key.", key=True),
        Column("stored_on", ColumnType.DATE, "storedOn", "Day of arrival."),
    ),
)
# DynamoDB: a partition key has up to 2,048 bytes, a sort key 1,024. Noise, since PostgreSQL compresses index entries.
LONG = hashlib.shake_256(b"key").digest(MAX_KEY_BYTES + 1)
LONGEST, TOO_LONG = (LONG[:2048], LONG[2048:-1]), (LONG[:2048], LONG[2048:])
PLAIN = [(bytes([255, n]), bytes([n, 0, 10, 92, 34])) for n in range(42)]
UNFIT = (b"\0", b"\0")


def make_table() -> None:
    """Items of 100 kB each, so that a page of 1 MB holds about ten."""
    dynamodb = boto3.client("dynamodb")
    create_table(dynamodb, FILES.source, FILES)
    for digest, part in [UNFIT, *PLAIN, LONGEST, TOO_LONG]:
        day = "yesterday" if (digest, part) == UNFIT else "2026-11-23"
        item = {"digest": {"B": digest}, "part": {"B": part}, "storedOn": {"S": day}, "padding": {"S": "x" * 100_000}}
        dynamodb.put_item(TableName=FILES.source, Item=item)


def stage(runs: Runs, run: Run, table: Table) -> StagedTable:
    """Scan and transform as the state machine does: each chunk starts with the last one's keys, passed on as JSON."""
    chunks: list[StagedChunk] = []
    keys: Any = None
    while not chunks or keys is not None:
        event = {
            "contract": CONTRACT, "run": {"id": run.id, "arn": run.arn, "startedAt": run.started_at.isoformat()}, "table": table.name,
            "source": table.source, "segment": 0, "totalSegments": 1, "chunk": len(chunks), "startKeys": keys,
            "chunkBytes": 1_500_000, "readUnitsPerSecond": 0, "maxItems": None,
        }  # fmt: skip
        raw = scan_segment(ScanRequest.from_event(event), runs.staging, UNLIMITED)
        request = TransformRequest(run, table, 0, len(chunks), raw.key, 0, raw.items)
        done = transform_chunk(request, runs.staging, UNLIMITED)
        counts = {name: getattr(done, name) for name in ("key", "scanned", "staged", "rejected", "sanitized")}
        chunks.append(StagedChunk(**counts, read_units=raw.read_units, bytes=raw.bytes))
        keys = json.loads(json.dumps(raw.to_event()))["nextKeys"]
        assert len(chunks) < 9, "the same page is read again and again"
    return StagedTable(table, segments=1, chunks=tuple(chunks))


def test_binary_keys_from_end_to_end(runs: Runs, strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, FILES.name, FILES)
    runs.tables[FILES.name] = FILES
    make_table()
    first, second = (Run(f"run-{hour}", "arn", datetime(2026, 11, 23, hour, tzinfo=UTC)) for hour in (1, 2))
    staged = stage(runs, first, FILES)
    assert len(staged.chunks) > 1
    assert (staged.scanned, staged.staged, staged.rejected) == (45, 43, 2)
    runs.load(first, {"files": list(staged.chunks)}, max_reject_percent=10)

    digest, part = PLAIN[7]
    boto3.client("dynamodb").delete_item(TableName=FILES.source, Key={"digest": {"B": digest}, "part": {"B": part}})
    [changes] = runs.load(second, {"files": list(stage(runs, second, FILES).chunks)}, max_reject_percent=10).tables
    merged = (0, 0, 1) if strategy is Strategy.MERGE else (42, 0, 43)
    assert (changes.inserted, changes.updated, changes.deleted) == merged

    sql = runs.warehouse.sql
    rows = [tuple(map(bytes.fromhex, row.split("|"))) for row in sql(
        "SELECT encode(digest, 'hex') || '|' || encode(part, 'hex') FROM warehouse.files"
    ).splitlines()]  # fmt: skip
    assert sorted(rows) == sorted({*PLAIN, LONGEST} - {PLAIN[7]})
    assert sql(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'warehouse.files'::regclass AND contype = 'p'"
    ) == "PRIMARY KEY (digest, part)"  # fmt: skip
    rejects = sql("SELECT item_key, reason FROM warehouse.rejected_items ORDER BY reason DESC").splitlines()
    reasons = (
        "stored_on: expected date, got S 'yesterday'",
        "key: expected at most 2600 bytes for PostgreSQL's index, got 2601",
    )
    for line, (digest, part), reason in zip(rejects, (UNFIT, TOO_LONG), reasons, strict=True):
        key = {"digest": base64.b64encode(digest).decode(), "part": base64.b64encode(part).decode()}
        assert (json.loads(line.split("|")[0]), line.split("|")[1]) == (key, reason)
