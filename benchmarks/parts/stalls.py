"""How long a reader waits at worst while the table is loaded, for each strategy and for the two plain ways."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.figures import Figure, Size
from benchmarks.loading import CHANGE, TABLE, copy, load, psql, stage, write_csv
from benchmarks.report.numbers import TIMES
from benchmarks.stand import Stand, stand

_KEYS = 500
_IDLE_SECONDS = 5
_NOTES = {
    "idle": "nothing else going on",
    "merge": "1 % of the rows changed",
    "truncate_first": "TRUNCATE, then psql \\copy, in one transaction",
    "delete_insert": "DELETE, then psql \\copy, in one transaction",
}


@dataclass
class Waits:
    """What a reader said, in milliseconds: its longest wait, and what one query of a thousand exceeded."""

    found: dict[str, Any] = field(default_factory=dict)

    @property
    def worst(self) -> float:
        """The longest wait."""
        return float(self.found["worst"])

    @property
    def note(self) -> str:
        """What else it said."""
        return f"99.9 % of {self.found['queries']:,} queries within {self.found['thousandth']:.1f} ms"


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Yield each way's longest wait at each size, and what of it has a target from the largest."""
    waits: dict[str, Waits] = {}
    for rows in size.stall_rows:
        progress(f"{rows:,} staged rows")
        with stand(items=rows) as servers:
            for way, do in _ways(servers).items():
                progress(f"{way}, {rows:,} rows")
                with read_beside(servers) as waits[way]:
                    do()
                note = "; ".join(filter(None, (_NOTES.get(way), waits[way].note)))
                yield Figure(f"stall_{way}_{rows}_ms", waits[way].worst, "ms", note)
                if way == "idle":
                    psql(servers, CHANGE)
    yield Figure("reader_stall_ms", waits["merge"].worst, "ms", f"merge, at {rows:,} rows, 1 % of them changed")
    ratio = waits["truncate"].worst / waits["truncate_first"].worst
    yield Figure("truncate_stall_vs_truncate_first", ratio, TIMES, f"at {rows:,} rows")


def _ways(servers: Stand) -> dict[str, Callable[[], Any]]:
    """What is done beside the reader, in this order: the table is full before each."""
    chunk = stage(servers)
    load(servers, chunk, "truncate")
    path = write_csv(servers)
    return {
        "idle": partial(time.sleep, _IDLE_SECONDS),
        "merge": partial(load, servers, chunk, "merge"),
        "truncate": partial(load, servers, chunk, "truncate"),
        "truncate_first": partial(psql, servers, f"TRUNCATE {TABLE}", copy(path)),
        "delete_insert": partial(psql, servers, f"DELETE FROM {TABLE}", copy(path)),
    }


@contextmanager
def read_beside(servers: Stand) -> Iterator[Waits]:
    """Let a reader in a process of its own query the table while the block lasts; its waits are there afterwards."""
    some = f"SELECT document_id, case_id FROM {TABLE} ORDER BY hashtext(document_id) LIMIT {_KEYS}"
    keys = servers.postgres.execute(some)
    command = [sys.executable, "-m", "benchmarks.reader", TABLE]
    environment = servers.environment() | servers.postgres.environment()
    waits = Waits()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as reader:
        if reader.stdin is None or reader.stdout is None:
            raise TypeError("expected pipes to the reader")
        reader.stdin.write(f"{keys}\n\n")
        reader.stdin.flush()
        reader.stdout.readline()
        yield waits
        reader.stdin.close()
        waits.found.update(json.loads(reader.stdout.read()))
