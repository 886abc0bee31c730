"""The load function compared with psql's COPY of the same rows into the same table, with its indexes."""

from collections.abc import Callable, Iterator

from benchmarks.environment import environment
from benchmarks.figures import TIMES, Figure, Size
from benchmarks.loading import CHANGE, TABLE, copy, load, psql, stage, write_csv
from benchmarks.usage import Usage, interleaved


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Time and CPU per row of each way, in whole processes, in turns."""
    rows = size.load_rows
    progress(f"{rows:,} staged rows")
    with environment(items=rows) as servers:
        chunks = stage(servers)
        load(servers, chunks, "truncate")
        csv = write_csv(servers)

        def truncate() -> Usage:
            progress("load, truncate")
            return load(servers, chunks, "truncate")

        def psql_copy() -> Usage:
            progress("psql \\copy")
            psql(servers, f"TRUNCATE {TABLE}")
            return psql(servers, copy(csv))

        runs = interleaved({"psql_copy": psql_copy, "truncate": truncate}, size.load_repetitions)
        psql(servers, CHANGE)
        progress("load, merge")
        runs["merge"] = [load(servers, chunks, "merge")]
    usages = {name: Usage.median(each) for name, each in runs.items()}
    for name, usage in usages.items():
        yield Figure(f"load_{name}_us_per_row", 1e6 * usage.wall / rows, "us/row")
        yield Figure(f"load_{name}_cpu_us_per_row", 1e6 * usage.cpu / rows, "us/row")
    yield Figure("load_wall_vs_psql_copy", usages["truncate"].wall / usages["psql_copy"].wall, TIMES)
    yield Figure("load_client_cpu_us_per_row", 1e6 * usages["truncate"].cpu / rows, "us/row")
