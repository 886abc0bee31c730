"""`python -m campaigns.fuzz --items N --seed S`: checks millions of random items with two processes and one server."""

import argparse
import os
import ssl
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from random import SystemRandom

from campaigns.fuzz.check import check_batch, prepare
from campaigns.fuzz.generator import Generator
from demand_pipeline.builders import TABLES
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection, Timeouts, connect
from demand_pipeline.postgres.credentials import Credentials
from demand_pipeline.settings import PostgresSettings
from local.postgres import PostgresServer
from tests.support.aws import STACK

BATCH = 2000


@contextmanager
def session(settings: PostgresSettings, password: str, root: str) -> Iterator[Connection]:
    """Open a session with the server, as the load does."""
    context = ssl.create_default_context(cadata=root)
    with connect(settings, Credentials(PostgresServer.user, password), context, "fuzz", Timeouts()) as connection:
        yield connection


def work(settings: PostgresSettings, password: str, root: str, job: tuple[str, int]) -> tuple[int, list[str]]:
    """Check a batch, which is the same for the same seed; return the number of items, and the problems."""
    logger.setLevel("WARNING")
    os.environ["STACK_NAME"] = STACK
    seed, count = job
    generator = Generator(seed)
    table = generator.random.choice(list(TABLES.values()))
    with session(settings, password, root) as connection:
        try:
            return count, check_batch(connection, table, generator, count)
        except Exception as error:  # noqa: BLE001 - every exception is a finding
            return count, [f"{table.name}, batch {seed}: {type(error).__name__}: {error}"] * count


show = partial(print, flush=True)


def main() -> int:
    """Check all items and show the progress; return 1 if there were problems."""
    parser = argparse.ArgumentParser(prog="python -m campaigns.fuzz", description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    given = parser.parse_args()
    show(f"{given.items} items, seed {given.seed}")
    jobs = [(f"{given.seed}/{start}", min(BATCH, given.items - start)) for start in range(0, given.items, BATCH)]
    failed, done, begin = 0, 0, time.monotonic()
    with PostgresServer.temporary() as server, ProcessPoolExecutor(2) as pool:
        settings = PostgresSettings(server.host, server.port, server.database, "fuzz", "", "")
        with session(settings, server.password, server.ca_pem) as connection:
            prepare(connection)
        for count, wrong in pool.map(partial(work, settings, server.password, server.ca_pem), jobs):
            done, failed = done + count, failed + len(wrong)
            show(*wrong[:3], sep="\n", end="\n" if wrong else "")
            rate = done / (time.monotonic() - begin)
            show(f"{done} of {given.items} items, {rate:.0f} a second, {failed} failed")
    show(f"{given.items - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
