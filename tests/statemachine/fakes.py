"""Functions that count instead of working, and faults for the harness."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from demand_pipeline import builders
from demand_pipeline.tables import camel_case
from tests.statemachine.harness import Task, TaskFailed
from tests.support.functions import Handler

type Around = Callable[[Task, Callable[[], Any]], Any]

TABLES = tuple(builders.TABLES)
FIRST, LAST = TABLES[0], TABLES[-1]
FIRST_NAME, LAST_NAME = camel_case(FIRST), camel_case(LAST)


def handlers(chunks: int = 1, items: int = 3, pieces: int = 1) -> dict[str, Handler]:
    """Every segment has `chunks` chunks of `items` items; a chunk is transformed in `pieces`, one item in each but the last."""

    def scan(event: dict[str, Any], _: Any) -> dict[str, Any]:
        cap = event["maxItems"]
        taken = items if cap is None else min(items, cap)
        more = event["chunk"] + 1 < chunks and taken != cap
        return {
            "key": f"runs/2026-11-23/{event['run']['id']}/raw/{event['table']}/{event['segment']}/{event['chunk']}-0123abcd.json.gz",
            "items": taken,
            "pages": 1,
            "bytes": 100 * taken,
            "readUnits": 0.5,
            "nextKeys": {"id": {"S": f"{event['segment']}/{event['chunk'] + 1}"}} if more else None,
        }

    def transform(event: dict[str, Any], _: Any) -> dict[str, Any]:
        page = event["raw"]["page"]
        last = page + 1 == pieces
        count = event["raw"]["items"] if last else 1
        key = event["raw"]["key"].replace("/raw/", "/staged/")
        counts = {"scanned": count, "staged": count, "rejected": 0, "sanitized": 0}
        return {"key": key, **counts, "nextPage": None if last else page + 1}

    def copy(_event: dict[str, Any], _: Any) -> dict[str, Any]:
        return {"copied": True}

    def load(event: dict[str, Any], _: Any) -> dict[str, Any]:
        if event["step"] == "prepare":
            return {"again": 0}
        return {"committed": not event["dryRun"], "tables": [{"table": table["table"]} for table in event["tables"]]}

    transforms = {f"Transform{camel_case(table)}": transform for table in TABLES}
    return {"ScanSegment": scan, **transforms, "CopyChunk": copy, "LoadWarehouse": load}


def sized(table_bytes: int | None = 0, then: Around | None = None) -> Around:
    """DescribeTable reports `table_bytes` of every table, or no size at all (None), and an index with its own key."""
    attributes = [{"AttributeName": name, "AttributeType": kind} for name, kind in (("id", "S"), ("of_index", "N"))]
    key = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "AttributeDefinitions": attributes}
    found = {"Table": key if table_bytes is None else key | {"TableSizeBytes": table_bytes}}

    def around(task: Task, proceed: Callable[[], Any]) -> Any:
        work = proceed if task.function else lambda: found
        return then(task, work) if then else work()

    return around


def failing(failures: Mapping[tuple[str, int | None], list[str]]) -> Around:
    """The state (of the Map's iteration) fails with these errors, one an attempt, before it works."""
    left, lock = {place: list(errors) for place, errors in failures.items()}, Lock()

    def around(task: Task, proceed: Callable[[], Any]) -> Any:
        with lock:
            errors = left.get((task.state, task.index), [])
            error = errors.pop(0) if errors else None
        if error:
            raise TaskFailed(error)
        return proceed()

    return around
