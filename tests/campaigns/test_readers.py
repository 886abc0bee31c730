"""The states that a reader sees if it began before a load's commit, as in docs/reliability.md."""

import threading
from collections.abc import Iterator

import pytest

from campaigns.faults.reader import client
from local.postgres import PostgresServer

SETTING = "CREATE SCHEMA warehouse; CREATE TABLE warehouse.cases (run int); INSERT INTO warehouse.cases VALUES (1)"
TRUNCATE = "BEGIN; LOCK warehouse.cases IN ACCESS EXCLUSIVE MODE; TRUNCATE warehouse.cases; INSERT INTO warehouse.cases VALUES (2)"
MERGE = "BEGIN; LOCK warehouse.cases IN SHARE ROW EXCLUSIVE MODE; UPDATE warehouse.cases SET run = 2"
COUNT = "SELECT coalesce(max(run), 0) FROM warehouse.cases"


@pytest.fixture
def warehouse(server: PostgresServer) -> Iterator[PostgresServer]:
    server.execute(SETTING, admin=True)
    yield server
    server.execute("DROP SCHEMA warehouse CASCADE", admin=True)


def seen(server: PostgresServer, *statements: str, load: str = TRUNCATE) -> int:
    """Return the final view of a reader whose statements run while a load holds the table, and end after its commit."""
    result: list[int] = []

    def read() -> None:
        with client(server) as reader:
            for statement in statements:
                rows = reader.run(statement)
            result.append(rows[0][0])

    with client(server) as loader:
        loader.run(load)
        thread = threading.Thread(target=read)
        thread.start()
        thread.join(0.3)
        loader.run("COMMIT")
        thread.join(10)
    return result[0]


def test_a_statement_that_waited_for_a_load_sees_the_new_rows(warehouse: PostgresServer) -> None:
    assert seen(warehouse, COUNT) == 2


def test_a_transaction_that_locks_first_sees_the_new_rows_at_every_level(warehouse: PostgresServer) -> None:
    lock = "LOCK TABLE warehouse.cases IN ACCESS SHARE MODE"
    assert seen(warehouse, "BEGIN ISOLATION LEVEL REPEATABLE READ", lock, COUNT) == 2


def test_a_snapshot_older_than_the_commit_sees_the_table_empty(warehouse: PostgresServer) -> None:
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
    assert seen(warehouse, begin, "SELECT 1", COUNT) == 0
    assert (
        seen(warehouse, begin, COUNT) == 0
    )  # even where this is its first statement: the snapshot is from before the wait


REPEATABLE_READ, LATER = "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT pg_sleep(0.6)"


@pytest.mark.parametrize(
    ("statements", "run"),
    [
        ((COUNT,), 1),  # it has read before the commit, and did not wait for it
        ((REPEATABLE_READ, COUNT, LATER, COUNT), 1),
        ((REPEATABLE_READ, LATER, COUNT), 1),
        ((LATER, COUNT), 2),
    ],
)
def test_during_a_merge_a_snapshot_is_whole_and_nobody_waits(
    warehouse: PostgresServer, statements: tuple[str, ...], run: int
) -> None:
    assert seen(warehouse, *statements, load=MERGE) == run
