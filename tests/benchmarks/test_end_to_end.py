"""What the end to end figures stand on: processes measured whole, and a checker that sees what was lost."""

import sys

import pytest

from benchmarks.contestants import ours
from benchmarks.kept import check
from benchmarks.process import CommandFailedError, cpu_of, interleaved, run, watched
from benchmarks.stand import stand
from local.postgres import PostgresServer

BUSY = "block = bytearray(60 << 20)"


def test_a_command_is_measured_alone_whatever_its_parent_holds() -> None:
    held = bytearray(b"x") * (200 << 20)
    assert run(["true"]).peak_mb < 40
    del held
    assert 60 < run([sys.executable, "-c", BUSY]).peak_mb < 120
    burn = "end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    used = run([sys.executable, "-c", f"import os, time; child = os.fork()\n{burn}\nif child: os.wait()"])
    assert used.cpu > 0.4
    assert used.wall > 0.2


def test_a_pipeline_takes_the_time_of_all_and_the_memory_of_each() -> None:
    one = [sys.executable, "-c", f"{BUSY}; print('x' * 10**6)"]
    alone = run(one)
    both = run(one, [sys.executable, "-c", f"import sys; {BUSY}; sys.exit(len(sys.stdin.read()) != 10**6 + 1)"])
    assert both.peak_mb > alone.peak_mb + 60


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(CommandFailedError, match="no such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"], ["cat"])


def test_everyone_is_first_in_turn() -> None:
    order: list[str] = []
    interleaved({name: lambda name=name: order.append(name) for name in "abc"}, 3)  # type: ignore[misc]
    assert "".join(order) == "abcbcacab"


def test_the_real_handlers_keep_everything_and_the_check_sees_what_is_lost(server: PostgresServer) -> None:
    with stand(items=300, segments=2, postgres=server) as servers:
        contestant = ours()
        contestant.prepare(servers)
        with watched(servers.servers) as watch:
            contestant.refresh(servers)
        assert all(megabytes > 1 for megabytes in watch.peak_mb.values())
        assert 0 < watch.cpu["postgres"] <= cpu_of(servers.postgres.process.pid)
        assert check(servers, contestant, 300).share == 1
        servers.postgres.execute(
            "DELETE FROM cases WHERE document_id = 'doc-000000000'; UPDATE cases SET extra = NULL; "
            "UPDATE cases SET gross_amount = gross_amount::float8; ALTER TABLE cases ALTER issue_date TYPE text"
        )
        lost = check(servers, contestant, 300)
        assert (lost.rows, lost.typed, lost.unread[0]) == ((299, 300), (21, 22), 0)
        assert 0 < lost.exact[0] < lost.exact[1]
        servers.empty()
