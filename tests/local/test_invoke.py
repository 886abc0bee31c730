"""SAM's output becomes an answer, or one line."""

import sys
from pathlib import Path
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from local import invoke
from local.invoke import Answer, InvokeError
from local.sample_events import SampleEvent, function_events

REPORT = "REPORT RequestId: 1\tDuration: 2.5 ms\tMemory Size: 1769 MB\tMax Memory Used: 1769 MB"


class FakeStack:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"AWS_REGION": "eu-west-1"}


def answered(folder: Path, monkeypatch: pytest.MonkeyPatch, output: str, log: str) -> Answer:
    """Return the outcome of a sam that prints this."""
    script = f"import sys; print({output!r}); print({log!r}, file=sys.stderr)"
    monkeypatch.setattr(invoke, "command", lambda *_: [sys.executable, "-c", script])
    stack: Any = FakeStack(folder)
    return invoke.invoke(stack, SampleEvent("scan_segment", "ScanSegment"))


def test_the_last_line_is_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answered(tmp_path, monkeypatch, 'a print\n{"items": 3}', f"building\n{REPORT}") == Answer({"items": 3}, 1769)


@pytest.mark.parametrize(
    ("output", "log", "message"),
    [
        ('{"errorType": "StagingError", "errorMessage": "k: none"}', REPORT, "StagingError: k: none"),
        ("", "Error: No response\n\n", "the last line of its output is not an answer: 'Error: No response'"),
        ("not JSON", REPORT, "the last line of its output is not an answer: 'not JSON'"),
        ("", "", "the last line of its output is not an answer: 'nothing'"),
    ],
)
def test_anything_else_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, log: str, message: str
) -> None:
    with pytest.raises(InvokeError) as caught:
        answered(tmp_path, monkeypatch, output, log)
    assert str(caught.value) == message


def test_every_function_has_an_event_and_they_come_in_the_order_of_a_run() -> None:
    events = function_events()
    functions = list(dict.fromkeys(event.function for event in events))
    assert functions[0] == "ScanSegment"
    assert functions[-4:] == ["LoadWarehouse", "CopyChunk", "ReadWarehouse", "ChangeWarehouse"]
    assert {f"Transform{camel_case(name)}" for name in TABLES} == set(functions[1:-4])
    names = {path.stem for path in Path("events").glob("*.json")}
    assert {event.name for event in events} == {name for name in names if not name.startswith("run_input")}
