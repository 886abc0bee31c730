"""Measures the variants of a step, in new processes that take turns."""

from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.environment import Environment
from benchmarks.usage import interleaved

type Task = Mapping[str, Any]
type Done = dict[str, Any]


def run_variants(
    environment: Environment,
    step: str,
    tasks: Mapping[str, tuple[Task, Task]],
    repetitions: int,
    progress: Callable[[str], None],
) -> dict[str, list[Done]]:
    """Run each variant's first task to warm up, then its second; return its answer with `cpu` and `wall` seconds."""

    def run(variant: str) -> Done:
        progress(f"{step}: {variant}")
        return environment.run_python(["benchmarks.variants", step, variant], tasks[variant])[1]

    return interleaved([(variant, partial(run, variant)) for variant in tasks], repetitions)


def us_per_item(runs: Mapping[str, list[Done]], what: str = "cpu") -> dict[str, float]:
    """Return the median of the repetitions, in microseconds, by variant."""
    return {name: median(1e6 * done[what] / done["items"] for done in each) for name, each in runs.items()}


def object_bytes(environment: Environment, key: str) -> int:
    """Return the size of an object in the staging bucket."""
    request = Request(f"{environment.s3.url}/staging/{key}", method="HEAD")  # noqa: S310 - our own server
    with urlopen(request) as answer:  # noqa: S310 - the same
        return int(answer.headers["Content-Length"])
