"""Events are read field by field; what is wrong with one is named."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demand_pipeline.builders import TABLES
from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.contracts.copying import CopyRequest
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.loading import LoadRequest
from demand_pipeline.contracts.scanning import ScanRequest, ScanResult
from demand_pipeline.contracts.transforming import TransformRequest
from demand_pipeline.errors import ContractVersionError, InvalidEventError

RUN = {"id": "run-1", "arn": "arn:aws:states:…:run-1", "startedAt": "2026-11-23T04:00:00.123Z"}
SCAN = {
    "contract": CONTRACT,
    "run": RUN,
    "table": "cases",
    "source": "documents",
    "segment": 1,
    "totalSegments": 4,
    "chunk": 0,
    "startKeys": None,
    "chunkBytes": 1000,
    "readUnitsPerSecond": 12.5,
    "maxItems": None,
}
TRANSFORM = {
    "contract": CONTRACT,
    "run": RUN,
    "table": "cases",
    "segment": 0,
    "chunk": 0,
    "raw": {"key": "runs/x", "page": 0, "items": 3},
}
CHUNK = {"key": "k", "scanned": 2, "staged": 1, "rejected": 1, "sanitized": 0, "readUnits": 0.5, "bytes": 10}
COPY = {"contract": CONTRACT, "run": RUN, "table": "cases", "chunk": {"key": "k", "staged": 1, "rejected": 1}}
LOAD = {
    "contract": CONTRACT,
    "run": RUN,
    "step": "load",
    "input": {},
    "dryRun": False,
    "saveCsv": False,
    "force": False,
    "strategy": "truncate",
    "keepPrevious": True,
    "maxRejectPercent": 1,
    "maxShrinkPercent": 100,
    "tables": [{"table": "cases", "segments": [{"segment": 0, "chunks": [CHUNK]}]}],
}


def changed(event: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    event = deepcopy(event)
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    at: Any = event
    for step in parents:
        at = at[step]
    at[last] = value
    return event


def test_a_scan_event_becomes_a_request() -> None:
    request = ScanRequest.from_event(SCAN)
    assert (request.table, request.segment, request.max_items, request.start_keys) == (CASES, 1, None, None)
    assert request.run.started_at == datetime(2026, 11, 23, 4, 0, 0, 123000, UTC)


def test_a_whole_float_is_a_whole_number() -> None:
    assert ScanRequest.from_event(changed(SCAN, "segment", 2.0)).segment == 2


def test_a_load_event_becomes_a_request() -> None:
    request = LoadRequest.from_event(LOAD)
    assert [staged.table for staged in request.tables] == [CASES]
    assert (request.tables[0].segments, request.tables[0].chunks[0].read_units) == (1, 0.5)


def test_a_copy_event_becomes_a_request() -> None:
    request = CopyRequest.from_event(COPY)
    assert (request.table, request.key, request.staged, request.rejected) == (CASES, "k", 1, 1)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("table", "cheques", f"table: expected one of {', '.join(TABLES)}, got 'cheques'"),
        ("chunk", "k", "chunk: expected an object, got 'k'"),
        ("chunk.key", "", "chunk.key: expected a non-empty string, got ''"),
        ("chunk.rejected", -1, "chunk.rejected: expected a whole number of at least 0, got -1"),
    ],
)
def test_a_malformed_copy_event_names_the_path_to_the_field(path: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        CopyRequest.from_event(changed(COPY, path, value))
    assert str(caught.value) == message


def test_a_result_speaks_the_state_machines_spelling() -> None:
    result = ScanResult(key="k", items=1, pages=1, bytes=2, read_units=0.5, next_keys={"0/1": {"id": {"S": "x"}}})
    assert result.to_event() == {
        "key": "k", "items": 1, "pages": 1, "bytes": 2, "readUnits": 0.5, "nextKeys": {"0/1": {"id": {"S": "x"}}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("run", "run-1", "run: expected an object, got 'run-1'"),
        ("run.id", "a/b", "run.id: expected an execution name, which has no slash, got 'a/b'"),
        ("run.startedAt", "today", "run.startedAt: expected an ISO 8601 timestamp with an offset, got 'today'"),
        (
            "run.startedAt",
            "2026-11-23",
            "run.startedAt: expected an ISO 8601 timestamp with an offset, got '2026-11-23'",
        ),
        ("table", "cheques", f"table: expected one of {', '.join(TABLES)}, got 'cheques'"),
        ("source", "", "source: expected a non-empty string, got ''"),
        ("segment", -1, "segment: expected a whole number of at least 0, got -1"),
        ("segment", True, "segment: expected a whole number of at least 0, got True"),
        ("segment", 4, "segment: expected a number below totalSegments, 4, got 4"),
        ("startKeys", {}, "startKeys: expected at least one segment, got {}"),
        (
            "startKeys",
            {"4/4": None},
            "startKeys.4/4: expected a segment and the number of segments, such as 5/8, got '4/4'",
        ),
        (
            "startKeys",
            {"id": None},
            "startKeys.id: expected a segment and the number of segments, such as 5/8, got 'id'",
        ),
        ("startKeys", {"3/8": {}}, "startKeys.3/8: expected a key in DynamoDB's JSON, got {}"),
        ("startKeys", {"3/8": {"id": "x"}}, "startKeys.3/8.id: expected an object, got 'x'"),
        ("startKeys", {"3/8": {"id": {"S": 1}}}, "startKeys.3/8.id.S: expected a non-empty string, got 1"),
        ("startKeys", {"3/8": {"id": {"B": "AQI"}}}, "startKeys.3/8.id.B: expected base64, got 'AQI'"),
        ("startKeys", {"3/8": {"id": {"B": "AQ\n=="}}}, r"startKeys.3/8.id.B: expected base64, got 'AQ\n=='"),
        ("startKeys", {"3/8": {"id": {"B": "é==="}}}, "startKeys.3/8.id.B: expected base64, got 'é==='"),
        ("startKeys", {"3/8": {"id": {"B": None}}}, "startKeys.3/8.id.B: expected a non-empty string, got None"),
        *[
            ("startKeys", {"3/8": {"id": value}}, f"startKeys.3/8.id: expected one of the types S, N, B, got {value}")
            for value in ({"BOOL": True}, {"M": {"S": "x"}}, {"S": "x", "N": "1"}, {})
        ],
        ("chunkBytes", "1", "chunkBytes: expected a whole number of at least 1, got '1'"),
        ("maxItems", 0, "maxItems: expected a whole number of at least 1, got 0"),
        ("readUnitsPerSecond", float("nan"), "readUnitsPerSecond: expected a number of at least 0, got nan"),
    ],
)
def test_a_malformed_scan_event_names_field_value_and_expectation(path: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        ScanRequest.from_event(changed(SCAN, path, value))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tables", [], "tables: expected at least one table, each once, got []"),
        ("tables.0.segments", {}, "tables[0].segments: expected an array, got {}"),
        ("tables.0.segments.0.chunks.0.staged", 1.5, "tables[0].segments[0].chunks[0].staged: expected a whole number"),
        ("dryRun", "yes", "dryRun: expected true or false, got 'yes'"),
        ("strategy", "Merge", "strategy: expected one of truncate, merge, swap, got 'Merge'"),
        ("strategy", None, "strategy: expected one of truncate, merge, swap, got None"),
        ("maxRejectPercent", 101, "maxRejectPercent: expected a number from 0 to 100, got 101"),
        ("input", None, "input: expected an object, got None"),
    ],
)
def test_a_malformed_load_event_names_the_path_to_the_field(path: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        LoadRequest.from_event(changed(LOAD, path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("page", [-1, 0.5, None, "0", True])
def test_a_malformed_page_to_go_on_from_is_named(page: Any) -> None:
    with pytest.raises(InvalidEventError, match=r"raw\.page: expected a whole number of at least 0, got"):
        TransformRequest.from_event(changed(TRANSFORM, "raw.page", page))


@pytest.mark.parametrize("field", [*SCAN, *LOAD])
def test_a_value_nested_without_end_is_named_too(field: str) -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = [deep]
    for whole, parse in ((SCAN, ScanRequest.from_event), (LOAD, LoadRequest.from_event)):
        if field in whole:
            with pytest.raises(InvalidEventError, match=rf"^{field}(\[0\])?: expected .*, got"):
                parse({**whole, field: deep})


PARSERS: dict[str, tuple[dict[str, Any], Callable[[Any], object]]] = {
    "scan": (SCAN, ScanRequest.from_event),
    "transform": (TRANSFORM, TransformRequest.from_event),
    "load": (LOAD, LoadRequest.from_event),
}


@pytest.mark.parametrize("function", PARSERS)
@pytest.mark.parametrize("version", [None, 0, CONTRACT + 1, str(CONTRACT), True, 1.5, [CONTRACT]])
def test_an_event_of_another_version_is_refused_before_anything_else(function: str, version: Any) -> None:
    event, parse = PARSERS[function]
    older = {name: value for name, value in event.items() if name in ("contract", "chunk")}
    with pytest.raises(ContractVersionError) as caught:
        parse({**older, "contract": version})
    assert str(caught.value) == (
        f"contract: expected {CONTRACT}, the version of the deployed functions, got {version!r}"
    )
    del older["contract"]
    with pytest.raises(ContractVersionError, match=f"contract: expected {CONTRACT}, .*, got None"):
        parse(older)


def test_a_whole_float_is_a_version_too() -> None:
    assert ScanRequest.from_event(changed(SCAN, "contract", float(CONTRACT))).table == CASES


def test_a_chunk_of_a_table_that_is_not_declared_is_refused() -> None:
    with pytest.raises(InvalidEventError, match=f"table: expected one of {', '.join(TABLES)}, got 'documents'"):
        TransformRequest.from_event(changed(TRANSFORM, "table", "documents"))


def test_a_missing_field_is_said_to_be_missing() -> None:
    event = {name: value for name, value in SCAN.items() if name != "startKeys"}
    with pytest.raises(InvalidEventError, match="startKeys: expected a value or null, and it is missing"):
        ScanRequest.from_event(event)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*SCAN, *LOAD, "raw"]), inner),
    max_leaves=6,
)


@given(event=JSON, field=st.sampled_from([*SCAN, *TRANSFORM, *LOAD]))
def test_no_event_gives_anything_but_a_request_or_the_named_error(event: Any, field: str) -> None:
    for whole, parse in PARSERS.values():
        for odd in (event, {**whole, field: event}):
            try:
                parse(odd)
            except InvalidEventError as error:
                assert ": expected " in str(error)
