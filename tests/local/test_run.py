"""How a run's history is counted and its result is held against the sample."""

import json
from typing import Any

import pytest

from local import run
from local.run import RunError, Tally


def succeeded(key: str, **counts: int) -> dict[str, Any]:
    output = json.dumps({"StatusCode": 200, "Payload": {"key": key, **counts}})
    return {"type": "TaskSucceeded", "taskSucceededEventDetails": {"output": output}}


def test_the_history_tells_what_was_scanned_and_converted() -> None:
    folder = "runs/2026-11-23/run"
    described = {"type": "TaskSucceeded", "taskSucceededEventDetails": {"output": '{"Table": {}}'}}
    tally = Tally.of([
        {"type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "ScanCases", "input": "{}"}},
        described,
        succeeded(f"{folder}/raw/cases/0/0-a.json.gz", items=10),
        succeeded(f"{folder}/raw/cases/1/0-b.json.gz", items=5),
        succeeded(f"{folder}/staged/cases/0/0-c.json.gz", scanned=10, staged=8, rejected=2),
    ])  # fmt: skip
    assert (tally.scanned["cases"], tally.converted["cases"], tally.loading) == (15, 10, False)
    load = {"type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "LoadWarehouse"}}
    done = {"type": "TaskSucceeded", "taskSucceededEventDetails": {"output": '{"Payload": {"committed": true}}'}}
    assert [(tally.loading, tally.loaded) for tally in (Tally.of([load]), Tally.of([load, done]))] == [
        (True, False),
        (True, True),
    ]


class FakePostgres:
    def execute(self, _sql: str) -> str:
        return "7"


class FakeStack:
    postgres = FakePostgres()


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("scanned", "scanned 11, expected 10"),
        ("rejected", "rejected 4, expected 3"),
        ("sanitized", "sanitized 1, expected 0"),
        ("loaded", "loaded 8, expected 7"),
    ],
)
def test_a_count_that_is_not_the_samples_is_named(field: str, told: str) -> None:
    table = {"table": "cases", "scanned": 10, "rejected": 3, "sanitized": 0, "loaded": 7}
    expected = {"cases": {"items": 10, "rejected": 3, "sanitized": 0}}
    run.check(FakeStack(), {"tables": [table]}, expected)  # type: ignore[arg-type]
    with pytest.raises(RunError, match=told):
        run.check(FakeStack(), {"tables": [{**table, field: table[field] + 1}]}, expected)  # type: ignore[arg-type, operator]


def test_rows_missing_from_the_warehouse_are_named() -> None:
    table = {"table": "cases", "scanned": 9, "rejected": 3, "sanitized": 0, "loaded": 6}
    with pytest.raises(RunError, match="in the warehouse 7, expected 6"):
        run.check(FakeStack(), {"tables": [table]}, {"cases": {"items": 9, "rejected": 3, "sanitized": 0}})  # type: ignore[arg-type]
