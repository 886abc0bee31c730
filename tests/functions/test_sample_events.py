"""Every sample event is one that its function takes, given what the event speaks of."""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.errors import RollbackError
from demand_pipeline.load.warehouse.schema import TableSchema, create_table
from demand_pipeline.operate.answer import ACTIONS
from demand_pipeline.s3.staging import Staging, rejects_key
from demand_pipeline.tables import Table
from demand_pipeline.transform.rows import RowMaker
from local.seed import key_item
from tests.functions.conftest import Invoke, put
from tests.support.aws import create_source, dynamodb_json
from tests.support.warehouse import Warehouse

EVENTS = {path.stem: json.loads(path.read_text()) for path in sorted(Path("events").glob("*.json"))}
FUNCTIONS = sorted(path.name for path in Path("functions").iterdir() if (path / "app.py").exists())


def events_of(prefix: str) -> list[str]:
    return [name for name in EVENTS if name.startswith(prefix)]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The events' account; before AWS itself is set up."""
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "111111111111")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_a_sample_event(function: str) -> None:
    assert events_of(function)


def test_every_sample_event_is_for_a_function_or_a_run() -> None:
    assert [name for name in EVENTS if not name.startswith((*FUNCTIONS, "run_input"))] == []


@pytest.mark.parametrize("name", events_of("scan_segment"))
def test_scan_events(name: str, account: None, invoke: Invoke) -> None:
    event = EVENTS[name]
    table = TABLES[event["table"]]
    count = 0 if "empty" in name else 5
    items = [key_item(table, number + 1) for number in range(count)]
    create_source(table, items, name=event["source"].rpartition("/")[2])
    result = invoke("scan_segment", event)
    assert result["items"] <= count
    assert result["key"].startswith(f"runs/2026-11-23/{event['run']['id']}/raw/{table.name}/{event['segment']}/")


@pytest.mark.parametrize("name", events_of("transform_"))
def test_transform_events(name: str, invoke: Invoke, staging: Staging) -> None:
    event = EVENTS[name]
    table, count = TABLES[event["table"]], event["raw"]["items"]
    page = {"Items": [dynamodb_json(key_item(table, number + 1)) for number in range(count)], "Count": count}
    done = [b'{"Items":[]}\n'] * event["raw"]["page"]
    put(staging, event["raw"]["key"], [*done, json.dumps(page).encode() + b"\n"])
    result = invoke("transform", event)
    assert (result["staged"], result["rejected"]) == (count, 0)


@pytest.mark.long
@pytest.mark.parametrize("name", events_of("load_warehouse"))
def test_load_events(name: str, invoke: Invoke, staging: Staging, warehouse: Warehouse, environment: None) -> None:
    event = EVENTS[name]
    for staged in event["tables"]:
        table = TABLES[staged["table"]]
        maker = RowMaker(table)
        for number, chunk in enumerate(chunk for segment in staged["segments"] for chunk in segment["chunks"]):
            lines = [staged_line(maker, table, 10**6 * number + n) for n in range(chunk["staged"])]
            put(staging, chunk["key"], lines, table)
            if chunk["rejected"]:
                reject = {"key": {}, "reason": "x: expected date, got S 'y'", "item": {}}
                put(staging, rejects_key(chunk["key"]), [json.dumps(reject).encode() + b"\n"] * chunk["rejected"])
    result = invoke("load_warehouse", event)
    if event["step"] == "prepare":
        assert result == {"again": 0}
        return
    assert result["committed"] is not event["dryRun"]
    assert [table["table"] for table in result["tables"]] == [staged["table"] for staged in event["tables"]]
    runs = warehouse.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'warehouse'")
    assert (runs == "0") is event["dryRun"]


@pytest.mark.long
@pytest.mark.parametrize("name", [*events_of("read_warehouse"), *events_of("change_warehouse")])
def test_operate_events(name: str, invoke: Invoke, warehouse: Warehouse, environment: None) -> None:
    event = EVENTS[name]
    function = next(function for function in FUNCTIONS if name.startswith(function))
    if event["action"] == "compare":
        warehouse.sql(f"CREATE SCHEMA warehouse AUTHORIZATION pipeline; SET ROLE pipeline; {created(event)}")
    if event["action"] in ("rollback", "diff"):
        with pytest.raises(RollbackError, match=r"no run is committed|previous rows"):
            invoke(function, event)
        return
    result = invoke(function, event)
    answer = get_type_hints(ACTIONS[ActionName(event["action"])].answer)["return"]
    assert list(result) == [field.name for field in dataclasses.fields(answer)]


def created(event: dict[str, Any]) -> str:
    return create_table("warehouse", TableSchema.of(TABLES[event["arguments"]["table"]]))


def staged_line(maker: RowMaker, table: Table, number: int) -> bytes:
    return maker.make(dynamodb_json(key_item(table, number + 1))).line.encode()
