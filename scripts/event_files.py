"""Generates the sample events in `events/`: one per function and table, and a few for less common cases.

They refer to an account and objects that do not exist; `make demo` writes runnable copies.
"""

import hashlib
import json
from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.tables import ColumnType, Table

type Event = dict[str, Any]

_ID = "3f8a1c52-6f0e-4d0c-9b7a-2e1d5c9f4a10"
_ACCOUNT = "arn:aws:{service}:eu-west-1:111111111111:{resource}"
_RUN = {
    "id": _ID,
    "arn": _ACCOUNT.format(service="states", resource=f"execution:demand-pipeline-dev:{_ID}"),
    "startedAt": "2026-11-23T03:00:00.412Z",
}
_KEY_VALUES = {
    ColumnType.BIGINT: {"N": "7"},
    ColumnType.NUMERIC: {"N": "7"},
    ColumnType.BYTEA: {"B": "AAAABw=="},
    ColumnType.DATE: {"S": "2026-11-07"},
    ColumnType.TIMESTAMPTZ: {"S": "2026-11-07T00:00:00Z"},
}


def events() -> dict[str, Event]:
    """Return every sample event, by its file name without `.json`."""
    tables = list(TABLES.values())
    first, last, subset = tables[0], tables[-1], tables[-2:]
    compound = next((table for table in tables if len(table.key) > 1), first)
    names = [table.name for table in subset]
    return {
        "run_input": {},
        "run_input_dry_run": {"dryRun": True, "maxItems": 100, "saveCsv": True},
        "run_input_force": {"force": True, "maxRejectPercent": 5, "maxShrinkPercent": 50},
        "run_input_subset": {"tables": names},
        "scan_segment": _scan(first),
        "scan_segment_capped": _scan(last, totalSegments=1, maxItems=100),
        "scan_segment_empty_table": _scan(last, totalSegments=1),
        "scan_segment_next_chunk": _scan(compound, segment=2, chunk=1, startKeys={"4/8": _key(compound), "5/8": None}),
        **{f"transform_{table.name}": _transform(table, items=412) for table in tables},
        f"transform_{first.name}_next_page": _transform(first, items=37, page=2),
        f"transform_{last.name}_empty_table": _transform(last, items=0),
        "load_warehouse_prepare": _load(tables, {}, staged=(409, 388), rejected=3) | {"step": "prepare"},
        "copy_chunk": _copy(first, staged=409, rejected=3),
        "load_warehouse": _load(tables, {}, staged=(409, 388), rejected=3),
        "load_warehouse_dry_run": _load(tables, {"dryRun": True, "maxItems": 100, "saveCsv": True}, staged=(100,)),
        "load_warehouse_empty_table": _load([last], {"tables": [last.name]}, staged=(0,)),
        "load_warehouse_subset": _load(
            subset, {"tables": names, "maxRejectPercent": 5}, staged=(37,), strategy="merge"
        ),
        "load_warehouse_swap": _load(tables, {}, staged=(409, 388), rejected=3, strategy="swap"),
        "change_warehouse_check": _operate("check", strategy="truncate"),
        "read_warehouse_compare": _operate(
            "compare", table=first.name, fingerprint=first.fingerprint, rows=[_row(first)]
        ),
        "read_warehouse_drift": _operate("drift", run=None),
        "read_warehouse_diff": _operate("diff", table=first.name, samples=3),
        "change_warehouse_rollback": _operate("rollback", run=_ID, by="ops@example.com", reason="rows are missing"),
        "read_warehouse_locks": _operate("locks"),
        "read_warehouse_rejected_items": _operate("rejected_items", run=_ID, table=first.name, after=None),
        "read_warehouse_rejects": _operate("rejects", run=None, table=None, samples=3),
        "read_warehouse_runs": _operate("runs", runs=None, before="2026-11-23T03:00:00+00:00", most=10),
        "read_warehouse_status": _operate("status", countRows=True),
    }


def render(name: str) -> str:
    """Return the content of a sample event's file."""
    return json.dumps(events()[name], indent=2, ensure_ascii=False) + "\n"


def _scan(table: Table, **given: Any) -> Event:
    return {
        "contract": CONTRACT,
        "run": _RUN,
        "table": table.name,
        "source": _ACCOUNT.format(service="dynamodb", resource=f"table/{table.source}"),
        "sourceKey": {name: next(iter(value)) for name, value in _key(table).items()},
        "segment": 0,
        "totalSegments": 4,
        "chunk": 0,
        "startKeys": None,
        "chunkBytes": 268435456,
        "readUnitsPerSecond": 0,
        "maxItems": None,
    } | given


def _transform(table: Table, items: int, page: int = 0) -> Event:
    raw = {"key": _object("raw", table, 0, 0), "page": page, "items": items}
    return {"contract": CONTRACT, "run": _RUN, "table": table.name, "segment": 0, "chunk": 0, "raw": raw}


def _copy(table: Table, staged: int, rejected: int) -> Event:
    chunk = {"key": _object("staged", table, 0, 0), "staged": staged, "rejected": rejected}
    return {"contract": CONTRACT, "run": _RUN, "table": table.name, "chunk": chunk}


def _load(
    tables: list[Table], given: Event, staged: tuple[int, ...], rejected: int = 0, strategy: str = "truncate"
) -> Event:
    """Return the event of a load with one chunk per segment: `staged` are their row counts, `rejected` of the first."""
    limits = {"maxRejectPercent": 1, "maxShrinkPercent": 100}
    flags = dict.fromkeys(("dryRun", "saveCsv", "force"), False)
    settings = flags | {"strategy": strategy, "keepPrevious": True} | limits
    return {
        "contract": CONTRACT,
        "run": _RUN,
        "step": "load",
        "input": given,
        **{name: given.get(name, default) for name, default in settings.items()},
        "tables": [
            {
                "table": table.name,
                "segments": [
                    {"segment": segment, "chunks": [_chunk(table, segment, rows, 0 if segment else rejected)]}
                    for segment, rows in enumerate(staged)
                ],
            }
            for table in tables
        ],
    }


def _chunk(table: Table, segment: int, staged: int, rejected: int) -> Event:
    scanned = staged + rejected
    counts = {"scanned": scanned, "staged": staged, "rejected": rejected, "sanitized": 0}
    size = {"readUnits": max(0.5, scanned / 8), "bytes": 1024 * scanned}
    return {"key": _object("staged", table, segment, 0), **counts, **size}


def _operate(action: str, **arguments: Any) -> Event:
    return {"contract": CONTRACT, "action": action, "arguments": arguments}


def _row(table: Table) -> list[str | None]:
    """Return a staged row with only its key, as texts."""
    texts = {
        column.name: next(iter(value.values())) for column, value in zip(table.key, _key(table).values(), strict=True)
    }
    return [texts.get(column.name) for column in table.stored_columns]


def _object(kind: str, table: Table, segment: int, chunk: int) -> str:
    attempt = hashlib.sha256(f"{kind}/{table.name}/{segment}".encode()).hexdigest()[:8]
    return f"runs/2026-11-23/{_ID}/{kind}/{table.name}/{segment}/{chunk}-{attempt}.json.gz"


def _key(table: Table) -> Event:
    return {column.attribute: _KEY_VALUES.get(column.type, {"S": f"{column.attribute}-7"}) for column in table.key}
