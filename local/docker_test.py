"""Runs every sample event with `sam local invoke`, and compares answers and warehouse with the emulator's tables."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.dynamodb.typed_json import summarize_whole_page
from demand_pipeline.errors import PipelineError
from demand_pipeline.s3.staging import Staging
from demand_pipeline.scan.segment import READERS
from local import docker, lambda_image, sam
from local.console import Console
from local.invoke import Answer, InvokeError, invoke
from local.sample_events import SampleEvent, function_events
from local.stack import Stack

type Difference = tuple[str, object, object]
"""A count's name, the expected number and the number found."""


def find_image(console: Console) -> str:
    """Return an image in which the engine runs Python; raises DockerError, which names the missing part."""
    try:
        docker.bridge_address()
    except docker.DockerError as failure:
        raise docker.DockerError(f"no Docker engine, which sam local invoke needs: {failure}") from None
    with console.step("finding Lambda's image"):
        image, is_stand_in = lambda_image.provide()
    console.say(f"  {image}{', a substitute built here' if is_stand_in else ''}")
    try:
        docker.run_python(image, "")
    except docker.DockerError as failure:
        message = f"the engine cannot run Python in {image}: {failure}"
        raise docker.DockerError(message) from None
    return image


def check_that_containers_reach(stack: Stack, image: str) -> None:
    """Raise DockerError if containers cannot reach the stack: for a firewall, or an engine on another machine."""
    for name, port in stack.container_ports.items():
        try:
            docker.run_python(image, f"import socket; socket.create_connection(({docker.HOST!r}, {port}), 10)")
        except docker.DockerError as failure:
            message = f"containers cannot reach {name} at {docker.HOST}:{port}: {failure}"
            raise docker.DockerError(message) from None


def run(stack: Stack, console: Console, invoke: Callable[[Stack, SampleEvent], Answer] = invoke) -> str:
    """Invoke one event after the other and return how many passed; raises InvokeError if one failed."""
    checks = _Checks(stack, invoke)
    events = function_events()
    right = 0
    for event in events:
        started = time.monotonic()
        try:
            wrong = "; ".join(f"{name}: expected {wanted}, got {found}" for name, wanted, found in checks.wrong(event))
        except InvokeError as failure:
            wrong = str(failure)
        except (PipelineError, LookupError) as failure:  # a missing chunk, an answer without a count
            wrong = f"{type(failure).__name__}: {failure}"
        right += not wrong
        console.say(f"{'✗' if wrong else '✓'} {event.name} {time.monotonic() - started:.1f} s {wrong}".rstrip())
    result = f"{right} of {len(events)} events"
    if right < len(events):
        raise InvokeError(result)
    return result


@dataclass(frozen=True)
class _Checks:
    """Invokes events and checks the results, in the staging bucket and in the warehouse too."""

    stack: Stack
    invoke: Callable[[Stack, SampleEvent], Answer]

    def wrong(self, event: SampleEvent) -> list[Difference]:
        """Invoke the function and return every unexpected count; raises InvokeError without an answer."""
        document = json.loads(event.path(self.stack.folder / "events").read_text())
        before = {table["table"]: self._rows(table["table"]) for table in document.get("tables", ())}
        answer = self.invoke(self.stack, event)
        found: list[Difference] = [("memory", self._memory(event), answer.memory)]
        if "source" in document:
            found += self._scan(document, answer.payload)
        elif "action" in document:
            found += self._operate(document, answer.payload)
        elif "raw" in document:
            found += self._transform(document, answer.payload)
        elif "chunk" in document:
            found += [("copied", True, answer.payload["copied"])]
        elif document["step"] == "prepare":
            found += [("again", True, "again" in answer.payload)]
        else:
            found += self._load(document, answer.payload, before)
        return [difference for difference in found if difference[1] != difference[2]]

    def _scan(self, event: dict[str, Any], answer: dict[str, Any]) -> Iterator[Difference]:
        items = self._items(event)
        yield "items", items if event["maxItems"] is None else min(items, event["maxItems"]), answer["items"]
        written = sum(summarize_whole_page(page).items for page in self._staging.lines(answer["key"]))
        yield "items in the raw chunk", answer["items"], written

    def _transform(self, event: dict[str, Any], answer: dict[str, Any]) -> Iterator[Difference]:
        yield "scanned", event["raw"]["items"], answer["scanned"]
        yield "staged and rejected", answer["scanned"], answer["staged"] + answer["rejected"]
        yield "rows in the staged chunk", answer["staged"], sum(1 for _ in self._staging.lines(answer["key"]))

    def _operate(  # noqa: C901 - a branch per action
        self, event: dict[str, Any], answer: dict[str, Any]
    ) -> Iterator[Difference]:
        action = event["action"]
        if action == "status":
            for table in answer["tables"]:
                yield f"{table['table']} rows", self._rows(table["table"]), table["rows"]
        elif action == "check":
            yield "failures", [], [finding for finding in answer["findings"] if finding["state"] == "failure"]
        elif action == "compare":
            yield "compared", len(event["arguments"]["rows"]), answer["compared"]
        elif action == "rejects":
            yield "rejects", self._rows("rejected_items"), sum(reason["items"] for reason in answer["reasons"])
        elif action == "drift":
            yield "tables", list(TABLES), [table["table"] for table in answer["tables"]]
        elif action == "runs":
            asked = event["arguments"]
            earlier = f"FROM pipeline_runs WHERE started_at < '{asked['before']}' ORDER BY started_at DESC"
            query = f"SELECT run_id {earlier} LIMIT {asked['most']}"
            yield "runs", self.stack.postgres.execute(query).splitlines(), [run["run"] for run in answer["runs"]]
        elif action == "locks":
            yield "all locks", True, answer["complete"]
        elif action == "diff":
            yield "table", event["arguments"]["table"], answer["table"]
        elif action == "rollback":
            query = "SELECT run_id FROM pipeline_runs WHERE status = 'rolled back'"
            yield "rolled back", answer["run"], self.stack.postgres.execute(query)
        else:
            of_table = f"rejected_items WHERE table_name = '{event['arguments']['table']}'"
            query = f"SELECT count(*) FROM {of_table}"  # noqa: S608 - a declaration's name
            yield "rejected items", int(self.stack.postgres.execute(query)), len(answer["items"])

    def _load(self, event: dict[str, Any], answer: dict[str, Any], before: dict[str, int]) -> Iterator[Difference]:
        committed = not event["dryRun"]
        yield "committed", committed, answer["committed"]
        query = f"SELECT count(*) FROM pipeline_runs WHERE run_id = '{event['run']['id']}'"  # noqa: S608 - our own id
        yield "runs recorded", str(int(committed)), self.stack.postgres.execute(query)
        loaded = {table["table"]: table for table in answer["tables"]}
        for table in event["tables"]:
            name = table["table"]
            chunks = [chunk for segment in table["segments"] for chunk in segment["chunks"]]
            staged = sum(chunk["staged"] for chunk in chunks)
            yield f"{name} loaded", staged, loaded[name]["loaded"]
            yield f"{name} rows", staged if committed else before[name], self._rows(name)

    def _rows(self, table: str) -> int:
        return int(self.stack.postgres.execute(f'SELECT count(*) FROM "{table}"'))  # noqa: S608 - a declaration's name

    def _items(self, event: dict[str, Any]) -> int:
        """Count the items that a scan reads: in the segment's parts, or after the event's start keys."""
        dynamodb = self.stack.client("dynamodb")
        readers = READERS if event["maxItems"] is None else 1
        first, total = event["segment"] * readers, event["totalSegments"] * readers
        parts = event["startKeys"] or {f"{first + reader}/{total}": None for reader in range(readers)}
        items = 0
        for part, key in parts.items():
            number, total = map(int, part.split("/"))
            after = {} if key is None else {"ExclusiveStartKey": key}
            arguments = {"TableName": event["source"], "Segment": number, "TotalSegments": total, "Select": "COUNT"}
            pages = dynamodb.get_paginator("scan").paginate(**arguments, **after)
            items += sum(page["Count"] for page in pages)
        return items

    def _memory(self, event: SampleEvent) -> int:
        name = sam.functions(self.stack.client("cloudformation"))[event.function]
        memory: int = self.stack.client("lambda").get_function_configuration(FunctionName=name)["MemorySize"]
        return memory

    @property
    def _staging(self) -> Staging:
        return Staging(self.stack.environment["STAGING_BUCKET"], self.stack.client("s3"))
