"""Runs the deployed functions' handlers in this process, as Lambda and the state machine call them.

    python -m benchmarks.run_function FUNCTION EVENT ANSWER     one handler
    python -m benchmarks.run_function load EVENT ANSWER         load; two processes copy a large table first
    python -m benchmarks.run_function roll_back EVENT ANSWER    an operator's rollback, timed until its commit
    python -m benchmarks.run_function refresh SEGMENTS ANSWER   scan, transform and load of the table

`refresh_isal` is a refresh with isal in the layer; `refresh_unchecked` and `refresh_isal_unchecked` convert items
without any check.
EVENT, SEGMENTS (a number) and ANSWER are JSON files; the environment is a deployed function's
(`benchmarks.environment`). One process reads each segment, as a separate function does in the state machine's Map;
copying is divided in the same way. The first process does everything else.
"""

import gc
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.workload import ARN, CASES, register, with_isal
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.deadline import Deadline
from demand_pipeline.load import transaction

CHUNK_BYTES = PARALLEL_COPY_BYTES = 256 << 20  # the template's defaults
COPIERS = 2
_FUNCTIONS = Path(__file__).parent.parent / "functions"
_TIMEOUT_SECONDS = 900  # the functions' timeout in the template

UNLIMITED = Deadline(lambda: 1000 * _TIMEOUT_SECONDS)

type Event = dict[str, Any]


@cache
def handler(function: str) -> Callable[[Event, Any], Event]:
    """Return the handler of a folder of functions/, imported once, as in Lambda."""
    spec = importlib.util.spec_from_file_location(f"{function}_app", _FUNCTIONS / function / "app.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"functions/{function}/app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lambda_handler  # type: ignore[no-any-return]  # it is the file's only function


def invoke(function: str, event: Event) -> Event:
    """Call a handler; event and answer pass through JSON, as between Lambdas."""
    end = time.monotonic() + _TIMEOUT_SECONDS
    context = SimpleNamespace(
        function_name=function,
        invoked_function_arn=f"arn:aws:lambda:eu-west-1:111111111111:function:{function}",
        memory_limit_in_mb=1769,
        aws_request_id="00000000-0000-0000-0000-000000000000",
        get_remaining_time_in_millis=lambda: int((end - time.monotonic()) * 1000),
    )
    answer = handler(function)(json.loads(json.dumps(event)), context)
    decoded: Event = json.loads(json.dumps(answer))
    return decoded


def new_run() -> Event:
    """Return the `run` of an event."""
    now = time.time()
    name = f"benchmark-{now:.6f}-{os.getpid()}"
    started = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
    arn = f"arn:aws:states:eu-west-1:111111111111:execution:benchmark:{name}"
    return {"id": name, "arn": arn, "startedAt": started}


def scan_event(**changes: Any) -> Event:
    """Return the event that scans the first chunk of the whole table without limits, with some changes."""
    where = {"contract": CONTRACT, "run": new_run(), "table": CASES.name, "source": ARN}
    chunk = {"segment": 0, "totalSegments": 1, "chunk": 0, "startKeys": None, "chunkBytes": CHUNK_BYTES}
    return {**where, **chunk, "readUnitsPerSecond": 0, "maxItems": None, **changes}


def transform_event(scanned: Event, **changes: Any) -> Event:
    """Return the event that transforms a scan's raw chunk."""
    raw = {"key": scanned["key"], "items": scanned["items"], "page": 0}
    where = {"contract": CONTRACT, "run": new_run(), "table": CASES.name, "segment": 0, "chunk": 0}
    return {**where, "raw": raw, **changes}


def staged_chunk(scanned: Event, transformed: Event) -> Event:
    """Return a chunk's record in the load's event, as the state machine composes it."""
    counts = {name: value for name, value in transformed.items() if name != "nextPage"}
    return counts | {"readUnits": scanned["readUnits"], "bytes": scanned["bytes"]}


def load_event(segments: list[list[Event]], strategy: str, run: Event | None = None) -> Event:
    """Return the event that loads the table with a run's defaults; `segments` is a list of chunks per segment."""
    chunks = [{"segment": number, "chunks": each} for number, each in enumerate(segments)]
    return {
        "contract": CONTRACT,
        "run": run or new_run(),
        "step": "load",
        "input": {"tables": [CASES.name]},
        "dryRun": False,
        "saveCsv": False,
        "force": False,
        "strategy": strategy,
        "keepPrevious": True,
        "maxRejectPercent": 1,
        "maxShrinkPercent": 100,
        "tables": [{"table": CASES.name, "segments": chunks}],
    }


def refresh(segments: int) -> Event:
    """Scan, transform and load the table; return the answer of the load."""
    run = new_run()
    handler("scan_segment"), handler("transform"), handler("copy_chunk"), handler("load_warehouse")
    gc.freeze()  # as Python recommends before a fork: garbage collection in children would copy all imported objects
    others = [_fork(partial(_read_segment, run, number, segments)) for number in range(1, segments)]
    chunks = [_read_segment(run, 0, segments), *(other() for other in others)]
    return load(load_event(chunks, "truncate", run))


def refresh_unchecked(segments: int) -> Event:
    """Refresh the table without any check of the items; this is not a deployable variant."""
    from benchmarks.variants.unchecked import convert_unchecked  # noqa: PLC0415 - for this function only

    convert_unchecked()
    return refresh(segments)


def load(event: Event) -> Event:
    """Load as the state machine does: from ParallelCopyBytes on, several processes copy the chunks.

    `copySeconds` is the time of the copying, `publishSeconds` the rest, `settleSeconds` the time after the commit.
    """
    start = end = time.monotonic()
    chunks = [chunk for segment in event["tables"][0]["segments"] for chunk in segment["chunks"]]
    if sum(chunk["bytes"] for chunk in chunks) >= PARALLEL_COPY_BYTES:
        handler("copy_chunk")
        invoke("load_warehouse", event | {"step": "prepare"})
        start = time.monotonic()
        shares = [chunks[number::COPIERS] for number in range(COPIERS)]
        others = [_fork(partial(_copy, event["run"], share)) for share in shares[1:]]
        _copy(event["run"], shares[0])
        [other() for other in others]
        end = time.monotonic()
    committed: list[float] = []

    def note_commit(_: object) -> None:
        committed.append(time.monotonic())

    vars(transaction)["report_changes"] = note_commit  # never restored: this process loads once
    while "again" in (answer := invoke("load_warehouse", event)):
        time.sleep(answer["again"])
    last = time.monotonic()
    return answer | {"copySeconds": end - start, "publishSeconds": last - end, "settleSeconds": last - committed[0]}


def operate_event(action: ActionName, **arguments: Any) -> Event:
    """Return the event of an operator's action."""
    return {"contract": CONTRACT, "action": action, "arguments": arguments}


def roll_back(event: Event) -> Event:
    """Roll the last run back, in a warm function: `ms` from the call to the commit.

    The ANALYZE after the commit does not count.
    """
    from demand_pipeline.operate.answer import ACTIONS  # noqa: PLC0415 - loads do not need it

    committed: list[float] = []
    action = ACTIONS[ActionName.ROLLBACK]
    ACTIONS[ActionName.ROLLBACK] = replace(action, finish=lambda *_: committed.append(time.monotonic()))
    invoke("read_warehouse", operate_event(ActionName.STATUS, countRows=False))
    handler("change_warehouse")
    start = time.monotonic()
    return invoke("change_warehouse", event) | {"ms": 1000 * (committed[0] - start)}


def _fork[T](task: Callable[[], T]) -> Callable[[], T]:
    """Run a task in a fork, so that imports happen once; return a function that waits for the result, which is JSON.

    `multiprocessing` would do the same, but takes 50 ms to import, which the functions do not need.
    """
    source, target = os.pipe()
    child = os.fork()
    if child == 0:
        with open(target, "w") as file:  # noqa: PTH123 - a descriptor
            json.dump(task(), file)
        os._exit(0)
    os.close(target)

    def result() -> T:
        with open(source) as file:  # noqa: PTH123 - the same
            text = file.read()
        os.waitpid(child, 0)  # without it, the child's CPU would not count
        answer: T = json.loads(text)
        return answer

    return result


def _copy(run: Event, chunks: list[Event]) -> None:
    for chunk in chunks:
        part = {name: chunk[name] for name in ("key", "staged", "rejected")}
        invoke("copy_chunk", {"contract": CONTRACT, "run": run, "table": CASES.name, "chunk": part})


def _read_segment(run: Event, segment: int, segments: int) -> list[Event]:
    """Scan and transform a segment chunk by chunk; return its staged chunks."""
    chunks: list[Event] = []
    start: Event | None = None
    while start is not None or not chunks:
        where = {"run": run, "segment": segment, "chunk": len(chunks)}
        scanned = invoke("scan_segment", scan_event(**where, totalSegments=segments, startKeys=start))
        chunks.append(staged_chunk(scanned, invoke("transform", transform_event(scanned, **where))))
        start = scanned["nextKeys"]
    return chunks


if __name__ == "__main__":
    register()
    function, source, target = sys.argv[1:]
    given = json.loads(Path(source).read_text())
    whole: dict[str, Callable[[Any], Event]] = {
        "refresh": refresh,
        "refresh_isal": with_isal(refresh),
        "refresh_unchecked": refresh_unchecked,
        "refresh_isal_unchecked": with_isal(refresh_unchecked),
        "load": load,
        "roll_back": roll_back,
    }
    answered = whole[function](given) if function in whole else invoke(function, given)
    Path(target).write_text(json.dumps(answered))
    sys.stdout.flush()
    os._exit(0)  # Lambda does not shut down the interpreter either, which would take 0.1 s and more
