"""The copies of the sample events run as they are, on the functions that are deployed."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local import docker_test, invoke, run, sam, sample_events, seed, variables
from local.console import Console
from local.invoke import Answer, InvokeError
from local.sample import Sample
from local.sample_events import SampleEvent
from local.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")

# Its table is none that the function's role may read; in a container it has the local stack's own credentials.
NOT_ALLOWED = SampleEvent("scan_segment_empty_table", "ScanSegment")


@pytest.fixture(scope="module")
def events(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The copies by name, written after one run; the samples have fields that nobody knows yet."""
    seed.create_tables(stack.client("dynamodb"))
    seed.write_sample(stack.client("dynamodb"), Sample(60), lambda _: None)
    arn = run.refresh(stack)["executionArn"]
    samples = tmp_path_factory.mktemp("samples") / "events"
    shutil.copytree(sample_events.SAMPLES, samples)
    for path in samples.glob("*.json"):
        sample = json.loads(path.read_text())
        path.write_text(json.dumps({**sample, "new": {"field": 1}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_events, "SAMPLES", samples)
        folder = sample_events.write(stack, arn)
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def call(stack: Stack, event: SampleEvent) -> Answer:
    """Call the deployed function as Lambda does."""
    functions = stack.client("lambda")
    name = sam.functions(stack.client("cloudformation"))[event.function]
    document = event.path(stack.folder / "events").read_bytes()
    payload = json.loads(functions.invoke(FunctionName=name, Payload=document)["Payload"].read())
    if "errorType" in payload:
        raise InvokeError(f"{payload['errorType']}: {payload['errorMessage']}")
    return Answer(payload, functions.get_function_configuration(FunctionName=name)["MemorySize"])


def test_a_copy_differs_from_its_sample_in_names_and_counts_of_a_run_only(events: Mapping[str, Any]) -> None:
    for event in sample_events.function_events():
        copy, sample = events[event.name], json.loads(event.path(sample_events.SAMPLES).read_text())
        replaced = {"run", "source", "startKeys", "raw", "tables", "arguments"}
        replaced |= {"chunk"} if event.function == "CopyChunk" else set()
        assert {name: copy[name] for name in copy if name not in replaced} == {
            "new": {"field": 1},
            **{name: sample[name] for name in sample if name not in replaced},
        }
        assert copy.keys() - {"new"} == sample.keys()
        assert "111111111111" not in json.dumps(copy)


def test_every_copy_is_a_run_of_its_own_and_loads_start_one_after_the_other(events: Mapping[str, Any]) -> None:
    named = [event.name for event in sample_events.function_events() if event.name not in sample_events._RUNS]
    runs = [events[name]["run"] for name in named if "run" in events[name]]
    assert len({run["id"] for run in runs}) == len(runs)
    assert all(run["arn"].endswith(f":{run['id']}") and len(run["id"]) <= 80 for run in runs)
    started = [run["startedAt"] for run in runs]
    assert started == sorted(set(started))


@pytest.mark.slow
def test_every_copy_runs_and_one_wrong_answer_is_one_event_less(
    stack: Stack, events: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = {}

    def remembered(stack: Stack, event: SampleEvent) -> Answer:
        answers[event] = call(stack, event)
        return answers[event]

    allowed = [event for event in sample_events.function_events() if event != NOT_ALLOWED]
    monkeypatch.setattr(docker_test, "function_events", lambda: allowed)
    assert docker_test.run(stack, Console(), remembered) == f"{len(allowed)} of {len(allowed)} events"

    def miscounted(_: Stack, event: SampleEvent) -> Answer:
        answer = answers[event]
        counts = {
            name: answer.payload[name] - 1
            for name in ("items", "scanned", "committed")
            if isinstance(answer.payload.get(name), int)
        }
        return replace(answer, payload={**answer.payload, **counts} if counts else {})

    with pytest.raises(InvokeError, match=f"^0 of {len(allowed)} events$"):
        docker_test.run(stack, Console(), miscounted)
    assert "✗ load_warehouse " in capfd.readouterr().out

    with pytest.raises(InvokeError, match=f"^0 of {len(allowed)} events$"):
        docker_test.run(stack, Console(), lambda *_: Answer({}, answers[allowed[0]].memory))


def test_the_scan_of_an_empty_table_finds_one_that_is_empty(stack: Stack, events: Mapping[str, Any]) -> None:
    scanned = stack.client("dynamodb").scan(TableName=events[NOT_ALLOWED.name]["source"])
    assert scanned["Count"] == 0


def test_sam_finds_everything_in_the_settings_that_are_written(stack: Stack) -> None:
    path = invoke.write_settings(stack, variables.deployed(stack))
    written = variables.read(stack.folder / "variables.json")
    assert {name: values["STAGING_BUCKET"] for name, values in written.items()} == dict.fromkeys(
        sam.functions(stack.client("cloudformation")), stack.environment["STAGING_BUCKET"]
    )
    load = written["LoadWarehouse"]
    ports = stack.container_ports
    assert (load["POSTGRES_HOST"], load["POSTGRES_PORT"]) == ("host.docker.internal", str(ports["PostgreSQL"]))
    assert load["AWS_ENDPOINT_URL"] == f"http://host.docker.internal:{ports['the emulator']}"
    assert str(stack.folder / "sam" / "build" / "template.yaml") in path.read_text()
    assert Path(stack.folder / "sam" / "build" / "template.yaml").exists()
