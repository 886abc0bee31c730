"""The load function against psql's COPY of the same rows into the same table, indexes and all."""

from collections.abc import Callable, Iterator

from benchmarks.figures import Figure, Size
from benchmarks.loading import CHANGE, TABLE, copy, load, psql, stage, write_csv
from benchmarks.process import Usage, interleaved
from benchmarks.report.numbers import TIMES
from benchmarks.stand import stand

_NOTES = {
    "truncate": "staged JSON from S3, gzip and TLS included, over the rows of the load before",
    "merge": "the same, 1 % of the rows changed",
    "psql_copy": "from a local file into the emptied table",
}


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Time and CPU a row of each way, in whole processes, in turns."""
    rows = size.load_rows
    progress(f"{rows:,} staged rows")
    with stand(items=rows) as servers:
        chunk = stage(servers)
        load(servers, chunk, "truncate")
        csv = write_csv(servers)

        def truncate() -> Usage:
            progress("load, truncate")
            return load(servers, chunk, "truncate")

        def psql_copy() -> Usage:
            progress("psql \\copy")
            psql(servers, f"TRUNCATE {TABLE}")
            return psql(servers, copy(csv))

        runs = interleaved({"psql_copy": psql_copy, "truncate": truncate}, size.load_repetitions)
        psql(servers, CHANGE)
        progress("load, merge")
        runs["merge"] = [load(servers, chunk, "merge")]
    usages = {way: Usage.median(each) for way, each in runs.items()}
    for way, usage in usages.items():
        yield Figure(f"load_{way}_us_per_row", 1e6 * usage.wall / rows, "us/row", _NOTES[way])
        yield Figure(f"load_{way}_cpu_us_per_row", 1e6 * usage.cpu / rows, "us/row", "the client's alone")
    yield Figure("load_wall_vs_psql_copy", usages["truncate"].wall / usages["psql_copy"].wall, TIMES)
    cpu = 1e6 * usages["truncate"].cpu / rows
    yield Figure("load_client_cpu_us_per_row", cpu, "us/row", "the whole process, gzip, TLS and start-up included")
