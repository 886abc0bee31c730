"""The chunks that `demand verify` finds in a run's history, and its errors where the history is incomplete."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from demand.errors import DemandError
from demand.verify.raw import RawChunk, chunks_of, raw_chunks

ARN = "arn:aws:states:eu-west-1:1:execution:machine:nightly"
LOADED = {"table": "cases", "segments": [{"chunks": [{"key": "staged"}]}]}
SCAN = ({"table": "cases", "totalSegments": 1}, {"key": "raw", "items": 2})
TRANSFORM = ({"table": "cases", "raw": {"key": "raw"}}, {"key": "staged"})
LOAD = ({"tables": [LOADED]}, {"committed": True})


def chunks(*tasks: tuple[Any, Any]) -> Any:
    """The raw chunks of a run with these tasks, each a request and its answer."""
    events: list[dict[str, Any]] = []
    for request, answer in tasks:
        number, when = len(events) + 1, datetime.now(UTC)
        parameters = {"parameters": json.dumps({"Payload": request})}
        output = {"output": json.dumps({"Payload": answer})}
        events += [
            {"id": number, "type": "TaskScheduled", "timestamp": when, "taskScheduledEventDetails": parameters},
            {
                "id": number + 1,
                "previousEventId": number,
                "type": "TaskSucceeded",
                "timestamp": when,
                "taskSucceededEventDetails": output,
            },
        ]
    states = SimpleNamespace(get_execution_history=lambda **_: {"events": events[::-1]})
    return raw_chunks(SimpleNamespace(client=lambda _: states), ARN)  # type: ignore[arg-type]


def test_a_loaded_chunk_is_traced_to_what_the_scan_wrote() -> None:
    assert chunks(SCAN, TRANSFORM, LOAD) == {"cases": (RawChunk("raw", 2),)}


@pytest.mark.parametrize(
    ("tasks", "lacking"),
    [
        ((TRANSFORM, LOAD), "result of the scan behind staged"),
        (((SCAN[0], {}), TRANSFORM, LOAD), "result of the scan behind staged"),
        ((SCAN, LOAD), "result of the transform behind staged"),
        ((SCAN, (TRANSFORM[0], {}), LOAD), "result of the transform behind staged"),
        ((SCAN, TRANSFORM), "load of cases"),
    ],
)
def test_what_a_history_lacks_is_named(tasks: tuple[Any, ...], lacking: str) -> None:
    with pytest.raises(DemandError) as failure:
        chunks_of(chunks(*tasks), ARN, "cases")
    assert failure.value.message == f"the history of run nightly does not show the {lacking}"
