"""One run of the state machine: started, followed through its history, checked and shown."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from local.console import Console
from local.stack import Stack

_POLL_SECONDS = 0.5
_COLUMNS = ("table", "segments", "chunks", "scanned", "staged", "rejected", "sanitized", "loaded")


class RunError(RuntimeError):
    """The run failed, or what it loaded is not what was seeded."""


@dataclass
class Tally:
    """Progress according to the history: items scanned and converted per table, and the state of the load."""

    scanned: Counter[str] = field(default_factory=Counter)
    converted: Counter[str] = field(default_factory=Counter)
    loading: bool = False
    loaded: bool = False

    @classmethod
    def of(cls, events: list[Any]) -> Self:
        """Count the results of the tasks that succeeded; their staging keys name the table."""
        tally = cls()
        for event in events:
            if event["type"] == "TaskStateEntered":
                tally.loading |= event["stateEnteredEventDetails"]["name"] == "LoadWarehouse"
        for payload in answers(events):
            tally.loaded |= "committed" in payload
            if "key" not in payload:
                continue
            _runs, _date, _run, kind, table, *_rest = payload["key"].split("/")
            if kind == "raw":
                tally.scanned[table] += payload["items"]
            else:
                tally.converted[table] += payload["staged"] + payload["rejected"]
        return tally


def answers(events: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield the answers of a run's functions."""
    for event in events:
        if event["type"] == "TaskSucceeded":
            yield json.loads(event["taskSucceededEventDetails"]["output"]).get("Payload", {})


def start(stack: Stack, given: Mapping[str, Any]) -> str:
    """Start a run with the given input; returns its ARN."""
    states = stack.client("stepfunctions")
    started = states.start_execution(
        stateMachineArn=stack.environment["STATE_MACHINE_ARN"],
        name=time.strftime("local-%Y%m%dT%H%M%S", time.gmtime()) + f"-{time.monotonic_ns() % 1000:03}",
        input=json.dumps(given),
    )
    return str(started["executionArn"])


def follow(stack: Stack, arn: str, console: Console, expected: Mapping[str, int]) -> dict[str, Any]:
    """Show progress until the run has ended and return its output; raises RunError if it failed."""
    states = stack.client("stepfunctions")
    show = _Bars(console, expected) if console.rich.is_terminal else _Lines(console)
    with show:
        while True:
            described = states.describe_execution(executionArn=arn)  # first: the history is then at least as new
            show.update(Tally.of(list(history(states, arn))))
            if described["status"] != "RUNNING":
                break
            time.sleep(_POLL_SECONDS)
    if described["status"] != "SUCCEEDED":
        raise RunError(f"the run ended {described['status']}: {described.get('error')}: {described.get('cause')}")
    output: dict[str, Any] = json.loads(described["output"])
    return output


def show_result(stack: Stack, arn: str, output: Mapping[str, Any], console: Console) -> None:
    """Print what was loaded and what was rejected, and why."""
    rows = [[*(table[column] for column in _COLUMNS), f"{table['loadSeconds']:.2f}"] for table in output["tables"]]
    totals = [sum(table[column] for table in output["tables"]) for column in _COLUMNS[1:]]
    rows.append(["total", *totals, f"{sum(table['loadSeconds'] for table in output['tables']):.2f}"])
    described = stack.client("stepfunctions").describe_execution(executionArn=arn)
    seconds = (described["stopDate"] - described["startDate"]).total_seconds()
    outcome = "loaded" if output["committed"] else "counted, then rolled back (dry run)"
    console.table(f"{outcome} in {seconds:.1f} seconds", [*_COLUMNS, "load seconds"], rows)
    rejected = rejects(stack, arn.rpartition(":")[2])
    if rejected:
        console.table("rejected, kept in rejected_items", ["table", "reason", "items"], rejected, left=2)


def rejects(stack: Stack, run_id: str) -> list[list[Any]]:
    """Return table, reason and number of items, as the warehouse has them."""
    literal = "'" + run_id.replace("'", "''") + "'"
    counted = (
        "SELECT table_name, reason, count(*) AS items FROM rejected_items"  # noqa: S608 - quoted above
        f" WHERE run_id = {literal} GROUP BY table_name, reason ORDER BY table_name, items DESC, reason"
    )
    rows = stack.postgres.execute(f"SELECT json_agg(row) FROM ({counted}) row")  # noqa: S608 - the same
    return [[row["table_name"], row["reason"], row["items"]] for row in json.loads(rows or "[]")]


def check(stack: Stack, output: Mapping[str, Any], expected: Mapping[str, Mapping[str, int]]) -> None:
    """Compare the run's counts and the warehouse's rows with what was seeded; raises RunError where they differ."""
    wrong = []
    for table in output["tables"]:
        name = table["table"]
        seeded = expected[name]
        wanted = {
            "scanned": seeded["items"],
            "rejected": seeded["rejected"],
            "sanitized": seeded["sanitized"],
            "loaded": seeded["items"] - seeded["rejected"],
        }
        found = {field: table[field] for field in wanted}
        found["in the warehouse"] = int(stack.postgres.execute(f'SELECT count(*) FROM "{name}"'))  # noqa: S608 - ours
        wanted["in the warehouse"] = wanted["loaded"]
        wrong += [f"{name}: {key} {found[key]}, expected {wanted[key]}" for key in wanted if found[key] != wanted[key]]
    if wrong:
        raise RunError("the run's counts differ from the sample's:\n" + "\n".join(wrong))


def history(states: Any, arn: str) -> Iterator[Any]:
    """Yield every event of a run."""
    for page in states.get_paginator("get_execution_history").paginate(executionArn=arn):
        yield from page["events"]


class _Bars:
    """One bar per table, for terminals."""

    def __init__(self, console: Console, expected: Mapping[str, int]) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}", style="dim"),
            TimeElapsedColumn(),
            console=console.rich,
        )
        self._tables = {
            name: self._progress.add_task(name, total=total or None, detail="") for name, total in expected.items()
        }
        self._load = self._progress.add_task("LoadWarehouse", total=1, start=False, visible=False, detail="")

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, tally: Tally) -> None:
        for name, task in self._tables.items():
            detail = f"{tally.scanned[name]:,} scanned"
            self._progress.update(task, completed=tally.converted[name], detail=detail)
        if tally.loading:
            self._progress.start_task(self._load)
            self._progress.update(self._load, visible=True, completed=tally.loaded, detail="one transaction")


class _Lines:
    """One line per change, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, tally: Tally) -> None:
        parts = [f"{name} {tally.converted[name]:,}/{scanned:,}" for name, scanned in sorted(tally.scanned.items())]
        line = "converted " + ", ".join(parts) + (", loading" if tally.loading else "") if parts else "started"
        if line != self._last:
            self._console.say(line)
            self._last = line
