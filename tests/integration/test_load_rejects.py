"""Rejects arrive in the warehouse too, and no more of them than allowed."""

import pytest

from demand_pipeline.errors import DuplicateKeyError, RejectLimitError, StagingError
from demand_pipeline.s3.staging import rejects_key
from tests.support.runs import Runs, documents, reject, row, run_at
from tests.support.warehouse import Warehouse


def test_more_rejects_than_the_limit_load_nothing(runs: Runs, warehouse: Warehouse) -> None:
    run = run_at(1)
    chunk = runs.chunk(run, "cases", documents(97), [reject(f"bad-{number}") for number in range(3)])
    with pytest.raises(RejectLimitError, match=r"cases: 3 of 100 items rejected, 3.00%, .*MaxRejectPercent.* is 2.5"):
        runs.load(run, {"cases": [chunk]}, max_reject_percent=2.5)
    assert runs.load(run, {"cases": [chunk]}, max_reject_percent=3).committed


def test_rejects_lie_in_the_warehouse_whole_and_only_the_last_runs(runs: Runs, warehouse: Warehouse) -> None:
    odd = {
        "key": {"documentId": {"S": "b\0\n"}},
        "reason": "odd\0 reason\n",
        "item": {
            "documentId": {"S": "b\0\n"},
            "n": {"N": "1E+125"},
            "b": {"B": "AA=="},
            "s": {"NS": ["10", "9"]},
            "z": {"NULL": True},
        },
    }
    for hour in (1, 2):
        run = run_at(hour)
        chunks = [
            runs.chunk(run, "cases", documents(1), [reject(f"a-{hour}")]),
            runs.chunk(run, "cases", [], [odd], number=1),
        ]
        runs.load(run, {"cases": chunks}, max_reject_percent=100)
    other = runs.chunk(run_at(3), "templates", [], [reject("t")])
    [table] = runs.load(run_at(3), {"templates": [other]}, max_reject_percent=100).tables
    assert (table.scanned, table.staged, table.rejected) == (1, 0, 1)
    shown = warehouse.sql(
        "SELECT run_id, table_name, item_key, reason FROM warehouse.rejected_items ORDER BY reason, run_id"
    )
    assert shown.splitlines()[0] == 'run-2|cases|{"documentId": "a-2"}|issue_date: expected date, got S \'x\''
    assert shown.splitlines()[1].startswith("run-3|templates|")
    odd_item = warehouse.sql("SELECT item FROM warehouse.rejected_items WHERE reason LIKE 'odd%'")
    number = "1" + "0" * 125
    assert odd_item == f'{{"b": "AA==", "n": {number}, "s": [9, 10], "z": null, "documentId": "b\ufffd\\n"}}'


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b'{"key": {}}\n'],
        [b"[]\n"],
        [b"tel. 555-0199\n"],
        [b'{"key":{},"reason":"","item":{"x":{"N":"555-0199"}}}\n'],
    ],
)
def test_a_damaged_rejects_object_loads_nothing(runs: Runs, warehouse: Warehouse, lines: list[bytes]) -> None:
    run = run_at(1)
    chunk = runs.chunk(run, "cases", documents(1), [reject("a")])
    with runs.staging.create(rejects_key(chunk.key)) as stream:
        stream.writelines(lines)
    with pytest.raises(StagingError) as caught:
        runs.load(run, {"cases": [chunk]}, max_reject_percent=100)
    assert rejects_key(chunk.key) in str(caught.value)
    assert "555-0199" not in str(caught.value)
    warehouse.wait_until_closed()


@pytest.mark.parametrize("key", ["a", "\ufffd"])
def test_two_rows_of_one_key_are_a_mistake(runs: Runs, key: str) -> None:
    chunk = runs.chunk(run_at(1), "cases", [row("cases", document_id=key)] * 2, sanitized=2)
    with pytest.raises(DuplicateKeyError):
        runs.load(run_at(1), {"cases": [chunk]}, max_reject_percent=100)
