"""The load function, compared with psql's COPY of the same rows into the same table with its indexes."""

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.environment import Environment, environment
from benchmarks.figures import TIMES, Figure, Size
from benchmarks.loading import (
    CHANGE,
    TABLE,
    Load,
    copy,
    copy_in_streams,
    load,
    psql,
    stage,
    swapped,
    write_csv,
    write_shares,
)
from benchmarks.usage import Usage, interleaved


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Measure time and CPU per row of each way, in whole processes that take turns."""
    rows = size.load_rows
    progress(f"{rows:,} staged rows")
    with environment(items=rows) as servers:
        chunks = stage(servers)
        load(servers, chunks, "truncate")
        csv, shares = write_csv(servers), write_shares(servers)
        parents = swapped(servers, chunks)

        sizes = servers.postgres.execute(f"SELECT pg_table_size('{TABLE}'), pg_indexes_size('{TABLE}')").split("|")

        def begin(turn: str) -> None:
            progress(turn)
            servers.checkpoint()

        def loaded(strategy: str, where: Environment) -> Load:
            begin(f"load, {strategy}")
            return load(where, chunks, strategy)

        def psql_copy() -> Usage:
            psql(servers, f"TRUNCATE {TABLE}")
            begin("psql \\copy")
            return psql(servers, copy(csv))

        def psql_streams() -> Usage:
            begin("psql \\copy in streams, then indexes")
            return copy_in_streams(servers, shares)

        ways: dict[str, Callable[[], Usage]] = {
            "psql_copy": psql_copy,
            "psql_streams": psql_streams,
            "truncate": partial(loaded, "truncate", servers),
            "swap": partial(loaded, "swap", parents),
        }
        runs = interleaved(ways.items(), size.load_repetitions)
        psql(servers, CHANGE)
        runs["merge"] = [loaded("merge", servers)]
    note = "of one stream into a shadow"
    usages = {name: type(each[0]).median(each) for name, each in runs.items()}
    for name, usage in usages.items():
        yield Figure(f"load_{name}_us_per_row", 1e6 * usage.wall / rows, "us/row")
        yield Figure(f"load_{name}_cpu_us_per_row", 1e6 * usage.cpu / rows, "us/row")
        if isinstance(usage, Load):
            yield Figure(f"load_{name}_publish_us_per_row", 1e6 * usage.publishing / rows, "us/row")
            yield Figure(f"load_{name}_copying_us_per_row", 1e6 * usage.copying / rows, "us/row", note)
    for name, size_in_bytes in zip(("heap", "index"), sizes, strict=True):
        yield Figure(f"load_{name}_bytes_per_row", int(size_in_bytes) / rows, "B/row")
    yield Figure("load_wall_vs_psql_copy", usages["truncate"].wall / usages["psql_copy"].wall, TIMES)
    limit = f"psql and the server alone take {usages['psql_streams'].wall / usages['psql_copy'].wall:.2f}"
    yield Figure("swap_load_wall_vs_psql_copy", usages["swap"].wall / usages["psql_copy"].wall, TIMES, limit)
    yield Figure("load_client_cpu_us_per_row", 1e6 * usages["truncate"].cpu / rows, "us/row")
