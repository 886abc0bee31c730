"""What the state machine would call the functions with, for the one segment of `cases`."""

from typing import Any

from benchmarks.dynamodb_endpoint import ARN
from benchmarks.run_function import new_run
from benchmarks.stand import CHUNK_BYTES
from benchmarks.workload import CASES
from demand_pipeline.contracts.event import CONTRACT

type Event = dict[str, Any]


def scan_event(chunk_bytes: int = CHUNK_BYTES) -> Event:
    """Scan the first chunk of the whole table, without limits."""
    return {
        "contract": CONTRACT,
        "run": new_run(),
        "table": CASES.name,
        "source": ARN,
        "segment": 0,
        "totalSegments": 1,
        "chunk": 0,
        "startKeys": None,
        "chunkBytes": chunk_bytes,
        "readUnitsPerSecond": 0,
        "maxItems": None,
    }


def transform_event(raw: Event) -> Event:
    """Transform a raw chunk, which is what a scan answered."""
    found = {"key": raw["key"], "items": raw["items"], "page": 0}
    return {"contract": CONTRACT, "run": new_run(), "table": CASES.name, "segment": 0, "chunk": 0, "raw": found}
