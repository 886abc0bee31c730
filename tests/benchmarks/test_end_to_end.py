"""The end-to-end figures measure whole processes, and the check of fidelity detects losses."""

import sys
from functools import partial
from itertools import count

import pytest

from benchmarks.contestants import OURS, OURS_UNCHECKED
from benchmarks.environment import environment
from benchmarks.fidelity import check, share
from benchmarks.usage import CommandFailedError, cpu_of, interleaved, run, watched
from local.postgres import PostgresServer

BUSY = "block = bytearray(60 << 20)"


def test_a_command_is_measured_with_its_children_but_without_its_parent() -> None:
    held = bytearray(b"x") * (200 << 20)
    assert run(["true"]).peak_mb < 40
    del held
    assert 60 < run([sys.executable, "-c", BUSY]).peak_mb < 120
    burn = "end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    used = run([sys.executable, "-c", f"import os, time; child = os.fork()\n{burn}\nif child: os.wait()"])
    assert used.cpu > 0.4
    assert used.wall > 0.2


def test_a_command_that_fails_is_reported_with_its_output() -> None:
    with pytest.raises(CommandFailedError, match="no such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"])


def test_each_call_is_first_in_turn_and_a_name_keeps_the_results_of_all_its_calls() -> None:
    number = count()
    results = interleaved([(name, partial(next, number)) for name in "abca"], 4)
    assert results == {"a": [0, 3, 6, 7, 9, 10, 12, 13], "b": [1, 4, 11, 14], "c": [2, 5, 8, 15]}


def test_the_real_handlers_keep_everything_and_the_check_sees_what_is_lost(server: PostgresServer) -> None:
    with environment(items=300, postgres=server) as servers:
        OURS.prepare(servers)
        with watched(servers.servers) as watch:
            OURS.refresh(servers)
        assert all(megabytes > 1 for megabytes in watch.peak_mb.values())
        assert 0 < watch.cpu["postgres"] <= cpu_of(servers.postgres.process.pid)
        assert share(check(servers, OURS, 300)) == 1
        servers.postgres.execute(
            "DELETE FROM cases WHERE document_id = 'doc-000000000'; UPDATE cases SET extra = NULL; "
            "UPDATE cases SET gross_amount = gross_amount::float8; ALTER TABLE cases ALTER issue_date TYPE text"
        )
        lost = check(servers, OURS, 300)
        assert (lost["rows"], lost["column types"]) == ((299, 300), (21, 22))
        assert lost["items' unread attributes"][0] == 0
        exact, of = lost["38-digit numbers exact"]
        assert 0 < exact < of
        servers.postgres.execute("UPDATE cases SET line_items = '[]', gross_amount = NULL")
        assert check(servers, OURS, 300)["38-digit numbers exact"] == (0, of)
        servers.empty()


def test_without_checks_the_same_rows_arrive_but_for_what_no_column_reads(server: PostgresServer) -> None:
    with environment(items=300, postgres=server) as servers:
        OURS_UNCHECKED.prepare(servers)
        OURS_UNCHECKED.refresh(servers)
        kept = check(servers, OURS_UNCHECKED, 300)
        servers.empty()
    right, of = kept.pop("items' unread attributes")
    assert right < of  # items that lack another attribute are converted by the project itself
    assert share(kept) == 1
