"""Readers during a load that waits for a reader who holds a transaction open: how long they wait at most.

With FULL_TIMEOUTS=1 the reader holds it for a minute and the load tries as it is deployed to.
"""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from demand_pipeline.errors import LockTimeoutError
from demand_pipeline.load.warehouse import locks
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.session import open_session
from tests.integration.conftest import TRUNCATE_ALONE
from tests.support.runs import Runs, documents, row, run_at
from tests.support.warehouse import Warehouse

FULL = bool(os.environ.get("FULL_TIMEOUTS"))
HELD_SECONDS = 60 if FULL else 3
# try_lock.sql: 200 ms for a table; the rest is for a busy machine.
LONGEST_SECONDS = 0.2 + 0.3


@TRUNCATE_ALONE
def test_no_reader_waits_longer_than_the_lock_timeout_beside_one_that_holds_on(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not FULL:
        monkeypatch.setattr(locks, "_PAUSE_SECONDS", 0.3)
        monkeypatch.setattr(locks, "_ATTEMPTS", 4)
    tables = {"cases": documents(50), "audit": [row("audit", audit_id="a")]}
    runs.load(run_at(1), tables)
    done = threading.Event()

    def read(table: str) -> list[float]:
        waits = []
        with open_session(warehouse.settings, "reader", Timeouts(idle=120)) as connection:
            while not done.is_set():
                start = time.monotonic()
                connection.query(f"SELECT count(*) FROM warehouse.{table}")  # noqa: S608
                waits.append(time.monotonic() - start)
                time.sleep(0.005)
        return waits

    with open_session(warehouse.settings, "holder", Timeouts(idle=120)) as holder, ThreadPoolExecutor(3) as pool:
        holder.execute("BEGIN")
        holder.query("SELECT count(*) FROM warehouse.audit")
        readers = [pool.submit(read, table) for table in ("cases", "audit", "cases")]
        end = time.monotonic() + HELD_SECONDS
        try:
            with pytest.raises(LockTimeoutError, match="other sessions held locks"):
                runs.load(run_at(2), tables)
            time.sleep(max(0.0, end - time.monotonic()))
        finally:
            done.set()
        waits = [wait for reader in readers for wait in reader.result()]
    sys.stdout.write(f"{len(waits)} reads, the longest {max(waits):.3f} s\n")
    assert max(waits) < LONGEST_SECONDS
