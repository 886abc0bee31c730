"""A mutation: an intentionally broken promise, and a schedule that is quiet except for one thing that reveals it."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from campaigns.faults.faults import Fault
from campaigns.faults.schedule import Schedule
from demand_pipeline.builders import TABLES
from demand_pipeline.postgres.connection import Connection

# With this seed, rows of the first table appear, stay the same, differ by a trailing zero, and vanish.
QUIET = Schedule(
    seed=9,
    rows=9,
    segments=1,
    chunk_bytes=2**28,
    page_items=4,
    part_bytes=8 << 20,
    tables=tuple(TABLES),
    save_csv=False,
    first_strategy="truncate",
    strategy="truncate",
    keep_previous=True,
    copiers=0,
    reader="one statement",
    faults=(),
)


type Broken = AbstractContextManager[None]


@dataclass(frozen=True)
class Mutation:
    """A broken promise, a part of the message that the campaign must report, and the schedule."""

    broken: Callable[[], Broken]
    noticed: str
    schedule: Schedule


MUTATIONS: list[Mutation] = []


def noticed_by(
    noticed: str, *faults: Fault, strategy: str = "truncate", **schedule: Any
) -> Callable[[Callable[[], Broken]], Callable[[], Broken]]:
    """Add a mutation, with a part of the message that the campaign must report, and the exceptions to a quiet schedule."""
    quiet = replace(QUIET, first_strategy=strategy, strategy=strategy, faults=faults, **schedule)

    def add(broken: Callable[[], Broken]) -> Callable[[], Broken]:
        MUTATIONS.append(Mutation(broken, noticed, quiet))
        return broken

    return add


@contextmanager
def patched(*targets: tuple[Any, str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, new in targets:
            stack.enter_context(mock.patch.object(owner, name, new))
        yield


@contextmanager
def rewritten(pattern: str, replacement: str) -> Iterator[None]:
    """Change every statement that a session runs; fail if no statement matches the pattern."""
    run, count = Connection._run, 0

    def running(connection: Connection, sql: str, values: Any, *, message: str = "", **rest: Any) -> Any:
        nonlocal count
        message, found = re.subn(pattern, replacement, message or sql, flags=re.MULTILINE)
        count += found
        return run(connection, sql, values, message=message, **rest)

    with patched((Connection, "_run", running)):
        yield
    if not count:
        raise LookupError(f"no statement matches the pattern {pattern}")
