"""A load whose process is dead, or alive and silent, leaves no session and no lock behind for longer than a minute.

With FULL_TIMEOUTS=1 as it is deployed, which takes minutes; else the same with its timeouts scaled down.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import LockTimeoutError
from demand_pipeline.load.copy import chunks, shadows
from demand_pipeline.load.warehouse import locks
from demand_pipeline.postgres.connection import Timeouts
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse

SECONDS = None if os.environ.get("FULL_TIMEOUTS") else 2.0
LONGEST = 60 if SECONDS is None else SECONDS + 5


def test_what_is_deployed_adds_up_to_less_than_a_minute() -> None:
    assert chunks._FEED_SECONDS < chunks._COPY_SECONDS < locks._FROZEN_SECONDS < 60 - locks._STALL_SECONDS
    assert Timeouts().idle < 60


def load_when_it_is_time(runs: Runs) -> None:
    """PostgreSQL ignores all timeouts while it reads a COPY; the next load, or a retry, is what ends such a session."""
    with contextlib.suppress(LockTimeoutError):
        runs.load(run_at(2), {"cases": documents(3)})


def working(warehouse: Warehouse) -> int:
    """Sessions of loads with a transaction; the one that reads for a truncate may stay, and holds nothing."""
    sessions = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'demand-pipeline %' AND state <> 'idle'"
    )
    return int(warehouse.sql(sessions))


@pytest.mark.parametrize(
    ("strategy", "point"),
    [  # a COPY is the same with both
        (Strategy.TRUNCATE, "copy"),
        (Strategy.TRUNCATE, "rows"),
        (Strategy.TRUNCATE, "transaction"),
        (Strategy.MERGE, "transaction"),
    ],
)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_client_that_is_gone_or_hung_is_noticed(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, point: str, how: signal.Signals
) -> None:
    if SECONDS is not None:
        monkeypatch.setattr(locks, "_FROZEN_SECONDS", SECONDS)
        monkeypatch.setattr(shadows, "Timeouts", lambda statement: Timeouts(statement=statement, lock=0.5))
    runs.load(run_at(1), {"cases": documents(3)})
    settings = {name: getattr(warehouse.settings, name) for name in ("host", "port", "database", "schema")}
    login = json.dumps({"username": warehouse.server.user, "password": warehouse.server.password})
    given = {
        "strategy": runs.strategy,
        "point": point,
        "seconds": SECONDS,
        "settings": settings,
        "login": login,
        "root": warehouse.server.ca_pem,
    }
    command = [sys.executable, "-m", "tests.integration.hung_client"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin
        assert client.stdout
        try:
            client.stdin.write(json.dumps(given).encode())
            client.stdin.close()
            while client.stdout.readline() not in (b"here\n", b""):
                pass
            assert working(warehouse) == 1
            client.send_signal(how)
            start = time.monotonic()
            while working(warehouse) and time.monotonic() < start + LONGEST:
                if how is signal.SIGSTOP and point != "transaction":
                    load_when_it_is_time(runs)
                time.sleep(0.1)
            waited = time.monotonic() - start
            assert working(warehouse) == 0
        finally:
            client.kill()
    sys.stdout.write(f"{how.name} in {point}: {waited:.1f} s\n")
    assert waited < (LONGEST if how is signal.SIGSTOP else 10)
    held = "SELECT count(*) FROM pg_locks WHERE locktype IN ('relation', 'advisory') AND pid <> pg_backend_pid()"
    assert warehouse.sql(held) == "0"
    assert warehouse.count("cases") == 3
