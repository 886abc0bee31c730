"""Answers of the operators' functions that fit into Lambda's, whatever the data are."""

import json
from typing import Any

import pytest

from demand.rejects.stored import read_warehouse
from demand.warehouse import Warehouse as Asked
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.s3.staging import drift_key
from demand_pipeline.tables import Column, ColumnType, Table
from demand_pipeline.transform.drift import ALL, MAX_ATTRIBUTES
from tests.integration.conftest import SWAP_ALONE
from tests.support.operate import ask
from tests.support.runs import Runs, run_at

pytestmark = [SWAP_ALONE, pytest.mark.usefixtures("environment")]

ROWS = 100
# As many columns as PostgreSQL joins with as many others, whose names are as long in JSON as may be; a key of as many
# bytes as an index takes.
COLUMNS = 820
KEY = "\1" * 2500
WIDE = Table(
    "wide",
    "wide",
    "Wide.",
    (
        Column("id", ColumnType.TEXT, "id", "It.", key=True),
        *(Column(f"{n:04}" + "\1" * 59, ColumnType.TEXT, f"c{n}", "It.") for n in range(COLUMNS)),
    ),
)
# 14 MB of JSON: a few bytes each in DynamoDB.
BOMB = {"id": {"S": "bomb"}, "lines": {"L": [{"N": "1E125"}] * 110_000}}


def row(number: int, value: str) -> list[Any]:
    return [f"{number:03}{KEY}", *[value] * COLUMNS, None]


def reject(number: int, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": {"id": {"S": f"{number}" + "\1" * 3000}},
        "reason": "x: expected date, got S " + "🌻" * 175,
        "item": item,
    }


@pytest.fixture
def loaded(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Two runs: each row is added, removed or changed in all columns; every reject has a large key, and two are large.

    The items of all tables have other attributes with long names in the second run.
    """
    monkeypatch.setitem(TABLES, "wide", WIDE)
    runs.tables["wide"] = WIDE
    rejects = [reject(n, BOMB if n in (0, 3) else {"id": {"S": f"{n}"}}) for n in range(ROWS + 1)]
    for hour, rows in ((1, range(2 * ROWS)), (2, range(ROWS, 3 * ROWS))):
        run = run_at(hour)
        wide = runs.chunk(run, "wide", [row(n, f"{hour}") for n in rows], rejects if hour > 1 else [])
        chunks = {name: wide if name == "wide" else runs.chunk(run, name, []) for name in TABLES}
        for chunk in chunks.values():
            names = [(f"{n:03}{hour}" + "🌻" * 290, "S", 1) for n in range(MAX_ATTRIBUTES - 1)]
            runs.write(drift_key(chunk.key), [(ALL, "M", 1), *names])
        contents = {name: [chunk] for name, chunk in chunks.items()}
        runs.load(run, contents, max_reject_percent=100, input={"x": "\1" * 40_000})
    return runs


QUESTIONS: dict[ActionName, dict[str, Any]] = {
    ActionName.CHECK: {"strategy": "merge"},
    ActionName.STATUS: {"countRows": True},
    ActionName.REJECTS: {"run": None, "table": None, "samples": 100},
    ActionName.REJECTED_ITEMS: {"run": None, "table": None, "after": None},
    ActionName.COMPARE: {
        "table": "wide",
        "fingerprint": WIDE.fingerprint,
        "rows": [[f"{ROWS}{KEY}", *["🌻" * 150] * COLUMNS, None]],
    },
    ActionName.DRIFT: {"run": None},
    ActionName.LOCKS: {},
    ActionName.RUNS: {"runs": None, "before": None, "most": 100},
    ActionName.DIFF: {"table": "wide", "samples": 30},
    ActionName.ROLLBACK: {"run": None, "by": "a test", "reason": "none"},
}


def test_every_answer_fits_whatever_the_data_are(loaded: Runs) -> None:
    assert QUESTIONS.keys() == set(ActionName)
    for action, arguments in QUESTIONS.items():
        ask(action, **arguments)


def test_a_rejected_item_that_fits_into_no_answer_is_cut_and_says_where_it_is_whole(loaded: Runs) -> None:
    asked = Asked(lambda event: ask(event["action"], **event["arguments"]))
    items = [json.loads(reject.item) for reject in read_warehouse(asked, "bucket", None)]
    assert [item["id"] for item in items if "id" in item] == [f"{n}" for n in range(ROWS + 1) if n not in (0, 3)]
    cut = [item for item in items if "cut" in item]
    assert [(item["cut"][:24], item["whole"]) for item in cut] == [
        ('{"id": "bomb", "lines": ', "s3://bucket/runs/2026-11-23/run-2/rejects/wide/")
    ] * 2
    assert cut[0] in (items[0], items[3])
