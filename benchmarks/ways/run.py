"""Starts ways in processes of their own."""

import json
import sys
from collections.abc import Mapping
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.process import run
from benchmarks.stand import Stand

type Task = Mapping[str, Any]


def run_way(stand: Stand, stage: str, way: str, warm: Task, work: Task) -> dict[str, Any]:
    """Let a fresh process do `warm` and then, measured, `work`: its `cpu` and `wall` seconds, and what it says."""
    task, answer = stand.folder / "task.json", stand.folder / "done.json"
    task.write_text(json.dumps({"warm": warm, "work": work}))
    command = [sys.executable, "-m", "benchmarks.ways", stage, way, str(task), str(answer)]
    run(command, environment=stand.environment())
    done: dict[str, Any] = json.loads(answer.read_text())
    return done


def cpu_us_per_item(runs: list[dict[str, Any]]) -> float:
    """The median of the repetitions, in microseconds."""
    return float(median(1e6 * done["cpu"] / done["items"] for done in runs))


def object_bytes(stand: Stand, key: str) -> int:
    """The size of an object in the staging bucket."""
    with urlopen(Request(f"{stand.s3.url}/staging/{key}", method="HEAD")) as answer:  # noqa: S310 - our own endpoint
        return int(answer.headers["Content-Length"])
