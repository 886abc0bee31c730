"""PostgreSQL goes away or says no: by which name, and that nothing stays behind."""

import threading
from collections.abc import Iterator
from typing import Any

import pg8000.native
import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import (
    DatabaseAuthenticationError,
    DatabaseDataError,
    DatabaseError,
    DatabasePrivilegeError,
    DatabaseTimeoutError,
    DiskFullError,
    DuplicateKeyError,
    LockTimeoutError,
    MissingTableError,
    RefusedRowError,
    TransientError,
)
from demand_pipeline.load import transaction
from demand_pipeline.load.in_place import merge, truncate
from demand_pipeline.postgres import credentials
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.sqlstates import failure
from tests.integration.test_connection import causes
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[Connection]:
    with open_session(warehouse.settings, "fault", Timeouts(lock=0.2)) as connection:
        yield connection


def kill(warehouse: Warehouse) -> None:
    warehouse.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name LIKE 'demand-pipeline %' AND datname = current_database()"
    )


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("08006", TransientError),
        ("22P02", DatabaseDataError),
        ("23505", DuplicateKeyError),
        ("23514", RefusedRowError),
        ("25P03", TransientError),
        ("28000", DatabaseAuthenticationError),
        ("28P01", DatabaseAuthenticationError),
        ("40001", TransientError),
        ("40P01", TransientError),
        ("42501", DatabasePrivilegeError),
        ("42P01", MissingTableError),
        ("53100", DiskFullError),
        ("53300", TransientError),
        ("54000", RefusedRowError),
        ("55P03", LockTimeoutError),
        ("57014", DatabaseTimeoutError),
        ("57P01", TransientError),
        ("57P02", TransientError),
        ("57P03", TransientError),
        ("XX000", DatabaseError),
    ],
)
def test_a_code_decides_the_error_whatever_the_message_says(code: str, error: type[Exception]) -> None:
    found = failure({"C": code, "M": "deadlock detected, password authentication failed"})
    assert type(found) is error
    assert f"SQLSTATE {code}" in str(found)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT 'tel-555'::bigint", DatabaseDataError),
        ("DO $$ BEGIN RAISE EXCEPTION 'tel-555' USING DETAIL = 'tel-555', HINT = 'tel-555'; END $$", DatabaseError),
        ("DO $$ BEGIN RAISE 'tel-555' USING ERRCODE = 'check_violation'; END $$", RefusedRowError),
        ("DO $$ BEGIN EXECUTE 'SELECT ''tel-555'; END $$", DatabaseError),
        ("CREATE INDEX ON pg_temp.t (pg_temp.talk(b))", DatabaseError),
        ("ALTER TABLE pg_temp.t ADD CHECK (pg_temp.talk(b) = '')", DatabaseError),
        ("INSERT INTO pg_temp.t VALUES (2, 'talk')", DatabaseError),
        ("INSERT INTO pg_temp.t VALUES (NULL, 'tel-555')", RefusedRowError),
        ("INSERT INTO pg_temp.t VALUES (1, 'tel-555'), (1, 'tel-555')", DuplicateKeyError),
        ("INSERT INTO pg_temp.t VALUES (-1, 'tel-555')", RefusedRowError),
    ],
)
def test_an_error_tells_names_but_no_content_of_a_row(
    connection: Connection, statement: str, error: type[Exception]
) -> None:
    connection.execute(
        "CREATE TEMPORARY TABLE t (a int PRIMARY KEY CHECK (a > 0), b text); INSERT INTO pg_temp.t VALUES (9, 'tel-555');"
        "CREATE FUNCTION pg_temp.talk(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE '%', $1; END $$;"
        "CREATE FUNCTION pg_temp.talk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'tel-555'; END $$;"
        "CREATE TRIGGER talk BEFORE INSERT ON pg_temp.t FOR EACH ROW WHEN (new.b = 'talk') EXECUTE FUNCTION pg_temp.talk()"
    )
    with pytest.raises(error) as caught:
        connection.execute(statement)
    assert "tel-555" not in "".join(str(cause) for cause in causes(caught.value))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("TRUNCATE pg_temp.t", "0A000: cannot truncate a table referenced in a foreign key constraint"),
        ("DROP TABLE pg_temp.t", "2BP01: cannot drop table t because other objects depend on it"),
        ("EXECUTE nothing", '26000: prepared statement "nothing" does not exist'),
        ("INSERT INTO pg_temp.t VALUES (NULL)", '23502: null value in column "a" of relation "t" violates'),
        ("INSERT INTO pg_temp.t VALUES (-1)", '23514: new row for relation "t" violates check constraint "positive"'),
        ("INSERT INTO pg_temp.u VALUES (5)", '23503: insert or update on table "u" violates foreign key constraint'),
        ("SELECT 1 / 0", "22012: division by zero"),
        ("SELECT pg_temp.fail()", r'42P01: relation "nowhere" does not exist \(function pg_temp_\d+.fail\(\)\)'),
    ],
)
def test_a_message_that_quotes_names_alone_is_shown(connection: Connection, statement: str, message: str) -> None:
    connection.execute(
        "CREATE TEMPORARY TABLE t (a int PRIMARY KEY CONSTRAINT positive CHECK (a > 0));"
        "CREATE TEMPORARY TABLE u (a int REFERENCES pg_temp.t);"
        "CREATE FUNCTION pg_temp.fail() RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO nowhere VALUES (1); END'"
    )
    with pytest.raises(DatabaseError, match=message):
        connection.execute(statement)


def test_an_event_trigger_that_forbids_a_statement_is_named_with_its_words(
    connection: Connection, warehouse: Warehouse
) -> None:
    warehouse.sql(
        "CREATE FUNCTION public.forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not at night'; END $$;"
        "CREATE EVENT TRIGGER forbid ON ddl_command_end EXECUTE FUNCTION public.forbid()"
    )
    words = r"P0001: not at night \(function forbid\(\), called by an event trigger\)"
    with pytest.raises(DatabaseError, match=words):
        connection.execute("CREATE TABLE public.t ()")


def test_an_error_of_a_copy_tells_no_line(connection: Connection) -> None:
    connection.execute("CREATE TEMPORARY TABLE t (a int)")
    with pytest.raises(DatabaseDataError) as caught:
        connection.copy_in("COPY pg_temp.t FROM STDIN", [b"1\ntel-555\n"])
    assert "tel-555" not in "".join(str(cause) for cause in causes(caught.value))
    assert connection.query("SELECT count(*) FROM pg_temp.t") == [[0]]  # the session goes on


def test_a_mistake_of_ours_stays_loud(connection: Connection) -> None:
    with pytest.raises(pg8000.native.InterfaceError):
        connection.query("SELECT :missing", other=1)
    connection.execute("BEGIN")
    with pytest.raises(DatabaseError, match="SQLSTATE 42P01"):
        connection.query("SELECT * FROM nothing")
    with pytest.raises(DatabaseError, match="SQLSTATE 25P02"):  # and no commit is taken for done
        connection.execute("COMMIT")


def test_an_error_of_the_callers_own_stream_comes_through_and_the_session_can_be_closed(
    connection: Connection, warehouse: Warehouse
) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"1\n"
        raise BlockingIOError("the source's own")  # an OSError, as gzip's errors are

    connection.execute("CREATE TEMPORARY TABLE t (a int)")
    with pytest.raises(BlockingIOError, match="the source's own") as caught:
        connection.copy_in("COPY pg_temp.t FROM STDIN", blocks())
    connection.close()
    warehouse.wait_until_closed()
    assert caught.tb  # whose frames still hold what pg8000 made of the socket


def test_an_error_of_the_callers_own_sink_comes_through(connection: Connection) -> None:
    class Full:
        def write(self, _: bytes, /) -> None:
            raise OSError("the sink's own")

    with pytest.raises(OSError, match="the sink's own"):
        connection.copy_out("COPY (SELECT 1) TO STDOUT", Full())


def test_a_backend_that_was_killed_is_tried_again(connection: Connection, warehouse: Warehouse) -> None:
    kill(warehouse)
    with pytest.raises(TransientError):
        connection.query("SELECT 1")
    with pytest.raises(TransientError):  # the second time there is no message left to read
        connection.query("SELECT 1")


def test_a_backend_killed_during_a_copy_is_tried_again(connection: Connection, warehouse: Warehouse) -> None:
    def blocks() -> Iterator[bytes]:
        for number in range(200):
            if number == 2:
                kill(warehouse)
            yield b"1\n" * 100_000

    connection.execute("CREATE TEMPORARY TABLE t (a int)")
    with pytest.raises(TransientError):
        connection.copy_in("COPY pg_temp.t FROM STDIN", blocks())


def test_a_deadlock_is_tried_again(connection: Connection, warehouse: Warehouse) -> None:
    connection.execute("SET lock_timeout = 0; CREATE TABLE public.a (); CREATE TABLE public.b ()")
    with open_session(warehouse.settings, "other", Timeouts()) as other:
        for session, table in ((connection, "a"), (other, "b")):
            session.execute(f"BEGIN; LOCK TABLE public.{table}")
        outcome: list[Any] = []

        def lock() -> None:
            try:
                outcome.append(other.execute("LOCK TABLE public.a"))
            except TransientError as error:
                outcome.append(error)

        thread = threading.Thread(target=lock)
        thread.start()
        try:
            outcome.append(connection.execute("LOCK TABLE public.b"))
        except TransientError as error:
            outcome.append(error)
            connection.execute("ROLLBACK")
        thread.join()
    assert sum(isinstance(found, TransientError) and "40P01" in str(found) for found in outcome) == 1


def test_the_server_ends_a_transaction_that_says_nothing(warehouse: Warehouse) -> None:
    with open_session(warehouse.settings, "idle", Timeouts(idle=0.1)) as connection:
        connection.execute("BEGIN")
        warehouse.wait_until_closed()
        with pytest.raises(TransientError):
            connection.query("SELECT 1")


def test_a_statement_that_takes_too_long_is_named(warehouse: Warehouse) -> None:
    with (
        open_session(warehouse.settings, "long", Timeouts(statement=0.1)) as connection,
        pytest.raises(DatabaseError, match="SQLSTATE 57014: canceling statement due to statement timeout"),
    ):
        connection.query("SELECT pg_sleep(5)")


POINTS = [
    *((strategy, point) for strategy in Strategy for point in ("begin", "copy", "record", "COMMIT")),
    *((Strategy.TRUNCATE, point) for point in ("empty", "drop_indexes", "fill")),
    *((Strategy.MERGE, point) for point in ("index_shadow", "delete", "update", "insert", "count_rows")),
]


@pytest.mark.parametrize(("strategy", "point"), POINTS)
@pytest.mark.parametrize("how", ["kill", "crash"])
def test_a_load_cut_off_at_any_point_leaves_the_old_rows_and_succeeds_when_tried_again(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, point: str, how: str
) -> None:
    monkeypatch.setattr(truncate, "_MANY_ROWS", 1)
    runs.load(run_at(1), {"cases": documents(3)})
    request = runs.request(run_at(2), {"cases": documents(5)})

    def fail() -> None:
        if how == "kill":
            kill(warehouse)
        else:
            warehouse.server.restart(immediate=True)

    with monkeypatch.context() as patch:
        cut_off(patch, point, fail)
        with pytest.raises(TransientError):
            runs.carry_out(request)
    assert warehouse.count("cases") == 3
    warehouse.wait_until_closed()
    assert runs.carry_out(request).committed
    assert warehouse.count("cases") == 5


def cut_off(patch: pytest.MonkeyPatch, point: str, fail: Any) -> None:
    """Fail right before the named step of a load."""
    owners: tuple[Any, ...] = (transaction._Load, transaction, truncate, merge)
    owner: Any = next((owner for owner in owners if hasattr(owner, point)), Connection)
    name = "execute" if owner is Connection else point
    original = getattr(owner, name)

    def failing(*arguments: Any, **parameters: Any) -> Any:
        if owner is not Connection or arguments[1] == point:
            fail()
        return original(*arguments, **parameters)

    patch.setattr(owner, name, failing)


def test_the_session_is_closed_whatever_fails(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    request = runs.request(run_at(1))
    for point in ("begin", "prepare", "copy", "publish", "commit"):
        with monkeypatch.context() as patch:
            patch.setattr(transaction._Load, point, fail)
            with pytest.raises(KeyboardInterrupt):
                runs.carry_out(request)
        warehouse.wait_until_closed()


def test_a_password_rotated_between_two_runs_is_no_failure(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    old = warehouse.server.password
    try:
        warehouse.server.set_password("rotated")
        with pytest.raises(DatabaseAuthenticationError):
            runs.load(run_at(2))
        warehouse.put_secret("pipeline", "rotated")
        assert credentials.read_credentials(warehouse.settings).password == old
        assert runs.load(run_at(2)).committed
    finally:
        warehouse.server.set_password(old)
