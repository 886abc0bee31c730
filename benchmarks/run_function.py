"""Runs the deployed functions' handlers in this process, as Lambda and the state machine call them.

    python -m benchmarks.run_function invoke FUNCTION EVENT ANSWER     one handler; EVENT and ANSWER are JSON files
    python -m benchmarks.run_function refresh PLAN ANSWER              scan, transform and load of one table

The environment is that of a deployed function (`benchmarks.stand`). A plan has `table`, `source`, `segments`,
`strategy`, `chunkBytes` and `processes`: segments are read by that many processes at a time, as the state
machine's Map has them read by functions of their own, and loaded by one.
"""

import gc
import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import workload
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.deadline import Deadline

_FUNCTIONS = Path(__file__).parent.parent / "functions"
_TIMEOUT_SECONDS = 900  # the functions' own, in the template

UNLIMITED = Deadline(lambda: 1000 * _TIMEOUT_SECONDS)

type Event = dict[str, Any]


class Context:
    """What the functions use of Lambda's context."""

    memory_limit_in_mb = 1769
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def __init__(self, function: str) -> None:
        self.function_name = function
        self.invoked_function_arn = f"arn:aws:lambda:eu-west-1:111111111111:function:{function}"
        self._end = time.monotonic() + _TIMEOUT_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda would end the function."""
        return int((self._end - time.monotonic()) * 1000)


@cache
def handler(function: str) -> Callable[[Event, Context], Event]:
    """The handler of a folder of functions/, imported once, as Lambda does."""
    spec = importlib.util.spec_from_file_location(f"{function}_app", _FUNCTIONS / function / "app.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"functions/{function}/app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lambda_handler  # type: ignore[no-any-return]  # it is the file's one function


def invoke(function: str, event: Event) -> Event:
    """Call a handler with an event; both event and answer pass through JSON, as between Lambdas."""
    answer = handler(function)(json.loads(json.dumps(event)), Context(function))
    decoded: Event = json.loads(json.dumps(answer))
    return decoded


def new_run() -> Event:
    """The `run` that every event carries."""
    now = time.time()
    name = f"benchmark-{now:.6f}-{os.getpid()}"
    started = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
    return {
        "id": name,
        "arn": f"arn:aws:states:eu-west-1:111111111111:execution:benchmark:{name}",
        "startedAt": started,
    }


def refresh(plan: Event) -> Event:
    """Scan, transform and load one table; the answer of the load."""
    run = new_run()
    segments = range(plan["segments"])
    handler("scan_segment"), handler("transform"), handler("load_warehouse")
    if plan["processes"] > 1:
        chunks = _in_processes(run, plan)
    else:
        chunks = [_segment(run, plan, segment) for segment in segments]
    return invoke("load_warehouse", load_event(run, plan["table"], chunks, plan["strategy"]))


def load_event(run: Event, table: str, chunks: list[list[Event]], strategy: str) -> Event:
    """What the load is told when nothing but the table is given; a list of chunks for each segment."""
    return {
        "contract": CONTRACT,
        "run": run,
        "input": {"tables": [table]},
        "dryRun": False,
        "saveCsv": False,
        "force": False,
        "strategy": strategy,
        "maxRejectPercent": 1,
        "maxShrinkPercent": 100,
        "tables": [
            {"table": table, "segments": [{"segment": number, "chunks": each} for number, each in enumerate(chunks)]}
        ],
    }


def _segment(run: Event, plan: Event, segment: int) -> list[Event]:
    """Scan and transform a segment chunk by chunk; its staged chunks."""
    chunks: list[Event] = []
    where = {"contract": CONTRACT, "run": run, "table": plan["table"], "segment": segment}
    start: Event | None = None
    for number in range(10_000):  # the state machine ends sooner, at 25,000 events
        scanned = invoke(
            "scan_segment",
            where
            | {"source": plan["source"], "totalSegments": plan["segments"], "chunk": number, "startKeys": start}
            | {"chunkBytes": plan["chunkBytes"], "readUnitsPerSecond": 0, "maxItems": None},
        )
        raw = {"key": scanned["key"], "items": scanned["items"], "page": 0}
        staged = invoke("transform", where | {"chunk": number, "raw": raw})
        del staged["nextPage"]  # None: the deadline is never near
        chunks.append(staged | {"readUnits": scanned["readUnits"], "bytes": scanned["bytes"]})
        start = scanned["nextKeys"]
        if start is None:
            break
    return chunks


def _in_processes(run: Event, plan: Event) -> list[list[Event]]:
    """Each process reads every n-th segment; forked, so that what is imported is imported once."""
    count = min(plan["processes"], plan["segments"])
    gc.freeze()  # Python's advice before a fork: children that collect garbage would copy all that is imported
    readers = [_fork(run, plan, number, count) for number in range(1, count)]
    answers = _every_nth(run, plan, 0, count)
    for pid, out in readers:
        with os.fdopen(out) as file:
            said = file.read()
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
            raise ChildProcessError(f"reading segments of {plan['table']} failed")
        answers |= json.loads(said)
    return [answers[str(segment)] for segment in range(plan["segments"])]


def _every_nth(run: Event, plan: Event, first: int, step: int) -> dict[str, list[Event]]:
    """The staged chunks of some of the segments, by segment."""
    return {str(segment): _segment(run, plan, segment) for segment in range(first, plan["segments"], step)}


def _fork(run: Event, plan: Event, first: int, step: int) -> tuple[int, int]:
    """Start a process that reads some of the segments; its pid, and where its answer can be read."""
    out, into = os.pipe()
    pid = os.fork()
    if pid != 0:
        os.close(into)
        return pid, out
    try:
        with os.fdopen(into, "w") as file:
            json.dump(_every_nth(run, plan, first, step), file)
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    workload.register()
    mode, *names, answer_path = sys.argv[1:]
    given = json.loads(Path(names[-1]).read_text())
    answered = invoke(names[0], given) if mode == "invoke" else refresh(given)
    Path(answer_path).write_text(json.dumps(answered))
    sys.stdout.flush()
    os._exit(0)  # Lambda does not take an interpreter down either, which would cost 0.1 s and more
