"""Writes runnable copies of the sample events, with real keys and ARNs of a run on this stack."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demand.runs.history import History
from demand.runs.tasks import Kind, Tasks
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.event import Run
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.dynamodb.typed_json import summarize_whole_page
from demand_pipeline.s3.staging import ChunkKind, Staging, chunk_key
from demand_pipeline.tables import camel_case
from local import seed
from local.stack import PROJECT, Stack

SAMPLES = PROJECT / "events"
# By prefix of the event's name, in the order of a run.
_FUNCTIONS = {
    "scan": "ScanSegment",
    "transform": "Transform{table}",
    "load_warehouse_prepare": "LoadWarehouse",
    "copy": "CopyChunk",
    "load": "LoadWarehouse",
    "read": "ReadWarehouse",
    "change": "ChangeWarehouse",
}
# A chunk is copied into shadows that its own run has prepared.
_RUNS = {"copy_chunk": "load_warehouse_prepare"}
_EMPTY = "_empty_table"  # the suffix of samples of an empty table
_NO_ITEMS = b'{"Items": [], "Count": 0, "ScannedCount": 0}\n'


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """A file in `events/` with a function's event; `function` is the function's logical id in the template."""

    name: str
    function: str

    def path(self, folder: Path) -> Path:
        """Return the event's file in a folder of samples or copies."""
        return folder / f"{self.name}.json"


def function_events() -> list[SampleEvent]:
    """Return the events of functions in the order of a run; the other files are inputs of the state machine."""
    events = []
    for path in sorted(SAMPLES.glob("*.json")):
        if step := _step(path.stem):
            table = json.loads(path.read_text()).get("table", "")
            events.append(SampleEvent(path.stem, _FUNCTIONS[step].format(table=camel_case(table))))
    return sorted(events, key=lambda event: list(_FUNCTIONS).index(_step(event.name)))


def _step(name: str) -> str:
    return next((start for start in _FUNCTIONS if name.startswith(start)), "")


def write(stack: Stack, arn: str) -> Path:
    """Write the copies, from the chunks of the run `arn` of all tables; returns their folder."""
    copies = _Copies(stack, arn)
    folder = stack.folder / "events"
    folder.mkdir(exist_ok=True)
    for number, event in enumerate(function_events()):
        sample = json.loads(event.path(SAMPLES).read_text())
        text = json.dumps(copies.runnable(event.name, number, sample), indent=2, default=_base64)
        event.path(folder).write_text(f"{text}\n")
    return folder


@dataclass
class _Copies:
    """Creates the copies from the sources, and from the chunks of the run `arn` in the staging bucket."""

    stack: Stack
    arn: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self._dynamodb = self.stack.client("dynamodb")
        self._staging = Staging(self.stack.environment["STAGING_BUCKET"], self.stack.client("s3"))
        self._raw: dict[str, list[str]] = defaultdict(list)
        self._segments: dict[str, list[Any]] = {}
        tasks = Tasks()
        tasks.add(History(self.stack.client("stepfunctions"), self.arn).update())
        for task in tasks.attempts:
            if task.kind is Kind.SCAN and task.table and "key" in task.answer:
                self._raw[task.table].append(task.answer["key"])
            elif task.kind is Kind.LOAD:
                self._segments = {table["table"]: table["segments"] for table in task.request["tables"]}

    def runnable(self, name: str, number: int, event: dict[str, Any]) -> dict[str, Any]:
        """Replace keys and ARNs of a sample; `number` orders the start times, everything else stays."""
        if "action" in event:
            if "run" in event["arguments"]:
                event["arguments"]["run"] = None  # any run
            if "before" in event["arguments"]:
                event["arguments"]["before"] = self._moment(number)  # after all loads
            return event
        prefix, _, run_id = self.arn.rpartition(":")
        run_id = f"{run_id}-{_RUNS.get(name, name)}"
        started = self._moment(number - (name in _RUNS))
        event["run"] |= {"id": run_id, "arn": f"{prefix}:{run_id}", "startedAt": started}
        empty = name.endswith(_EMPTY)
        if "source" in event:
            self._aim(event, empty=empty)
        elif "raw" in event:
            event["raw"] |= self._empty_raw(event) if empty else self._raw_pages(event)
        elif "chunk" in event:
            [[chunk, *_], *_] = [segment["chunks"] for segment in self._segments[event["table"]]]
            event["chunk"] = {name: chunk[name] for name in event["chunk"]}
        else:
            for table in event["tables"]:
                if not empty:
                    table["segments"] = self._segments[table["table"]]
                    continue
                for chunk in _chunks(table):
                    chunk["key"] = self._empty_staged(event, table["table"])
        return event

    def _moment(self, number: int) -> str:
        """Return the start time of the event with this number."""
        moment = self.now + timedelta(milliseconds=number)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _aim(self, event: dict[str, Any], *, empty: bool) -> None:
        """Direct a scan to the stack's own table, or to an empty one, and to existing start keys."""
        table = TABLES[event["table"]]
        name = seed.source_name(table)
        if empty:
            event["source"] = seed.create_table(self._dynamodb, f"{name}-empty", table)
        else:
            event["source"] = self._dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
        for segment in event["startKeys"] or ():
            number, total = map(int, segment.split("/"))
            first = self._dynamodb.scan(TableName=name, Segment=number, TotalSegments=total, Limit=1)
            event["startKeys"][segment] = first.get("LastEvaluatedKey")

    def _raw_pages(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return a raw chunk of the table, from the sample's page or the chunk's last page on."""
        key = min(self._raw[event["table"]])
        items = [summarize_whole_page(page).items for page in self._staging.lines(key)]
        page = min(event["raw"]["page"], len(items) - 1)
        return {"key": key, "page": page, "items": sum(items[page:])}

    def _empty_raw(self, event: dict[str, Any]) -> dict[str, str]:
        return {"key": self._written(event, ChunkKind.RAW, event["table"], _NO_ITEMS)}

    def _empty_staged(self, event: dict[str, Any], table: str) -> str:
        return self._written(event, ChunkKind.STAGED, table, b"")

    def _written(self, event: dict[str, Any], kind: ChunkKind, table: str, content: bytes) -> str:
        key = chunk_key(Run.read(Fields(event)), kind, table, 0, 0)
        with self._staging.create(key, TABLES[table] if kind is ChunkKind.STAGED else None) as stream:
            stream.write(content)
        return key


def _base64(content: bytes) -> str:
    """Encode a start key's binary part for an event, as in DynamoDB's JSON."""
    return base64.b64encode(content).decode()


def _chunks(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for segment in table["segments"]:
        yield from segment["chunks"]
