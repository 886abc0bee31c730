"""A table whose keys are binary is refreshed from end to end: pages, chunks, rows, rejects, primary key."""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.tables import MAX_KEY_BYTES, Column, ColumnType, Table
from tests.support.aws import create_source
from tests.support.runs import Runs, run_at

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


def items() -> Iterator[dict[str, Any]]:
    """Items of 100 kB each, so that a page of 1 MB holds about ten."""
    for digest, part in [UNFIT, *PLAIN, LONGEST, TOO_LONG]:
        day = "yesterday" if (digest, part) == UNFIT else "2026-11-23"
        yield {"digest": {"B": digest}, "part": {"B": part}, "storedOn": {"S": day}, "padding": {"S": "x" * 100_000}}


def test_binary_keys_from_end_to_end(runs: Runs, strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, FILES.name, FILES)
    runs.tables[FILES.name] = FILES
    create_source(FILES, items())
    chunks = runs.stage(run_at(1), FILES)
    assert len(chunks) > 1
    [loaded] = runs.load(run_at(1), {"files": chunks}, max_reject_percent=10).tables
    assert (loaded.scanned, loaded.staged, loaded.rejected) == (45, 43, 2)

    digest, part = PLAIN[7]
    boto3.client("dynamodb").delete_item(TableName=FILES.source, Key={"digest": {"B": digest}, "part": {"B": part}})
    [changes] = runs.load(run_at(2), {"files": runs.stage(run_at(2), FILES)}, max_reject_percent=10).tables
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
