"""Settings that a role, a database or a server gives a session. A load works with each of them, or says why it cannot."""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from demand_pipeline.errors import (
    ConfigurationError,
    DatabaseTimeoutError,
    PipelineError,
    TransientError,
)
from demand_pipeline.postgres import connection as postgres
from demand_pipeline.postgres import session
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session, refuse_shared_sessions
from tests.integration.conftest import EVERY_STRATEGY
from tests.support.runs import EVERYTHING, Runs, documents, run_at
from tests.support.warehouse import Warehouse

# Every setting that a session sets, with the value that would harm it most.
WORST = {
    "search_path": "elsewhere",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "TimeZone": "Asia/Tokyo",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "row_security": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "default_table_access_method": "odd",
    "default_tablespace": "pg_default",
    "synchronous_commit": "off",
    "exit_on_error": "on",
    "idle_session_timeout": "1s",
    "transaction_timeout": "1s",
    "client_min_messages": "debug5",
    "tcp_keepalives_idle": "7200",
    "tcp_keepalives_interval": "75",
    "tcp_keepalives_count": "9",
    "tcp_user_timeout": "0",
    "client_connection_check_interval": "0",
    "statement_timeout": "1s",  # ends what sets it to another value, if that takes longer
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
}
SETTINGS = "SELECT name, setting, source FROM pg_settings WHERE name <> 'application_name'"


@pytest.fixture
def worst(warehouse: Warehouse) -> Iterator[None]:
    """The role's defaults are the worst there are; those of `pg_settings` that the server does not have are left out."""
    warehouse.sql("CREATE ACCESS METHOD odd TYPE TABLE HANDLER heap_tableam_handler")
    known = warehouse.sql("SELECT name FROM pg_settings").splitlines()
    for name, value in WORST.items():
        if name in known:
            to = value if "," in value else f"'{value}'"
            warehouse.sql(f"ALTER ROLE pipeline SET {name} = {to}")
    yield
    warehouse.sql("DROP ACCESS METHOD odd")


def test_no_default_of_a_role_is_left_of_what_a_session_sets(
    warehouse: Warehouse, request: pytest.FixtureRequest
) -> None:
    def settings() -> dict[str, tuple[str, str]]:
        with open_session(warehouse.settings, "run-1", Timeouts()) as connection:
            return {name: (setting.replace('"', ""), source) for name, setting, source in connection.query(SETTINGS)}

    usual = settings()
    assert {name for name, (_, source) in usual.items() if source == "session"} <= WORST.keys()
    request.getfixturevalue("worst")
    expected = {name: setting for name, (setting, _) in usual.items()} | {"synchronous_commit": "local"}
    assert {name: setting for name, (setting, _) in settings().items()} == expected


@EVERY_STRATEGY
def test_a_load_works_with_the_worst_defaults_of_a_role(
    runs: Runs, warehouse: Warehouse, request: pytest.FixtureRequest
) -> None:
    runs.load(run_at(1), EVERYTHING)
    warehouse.sql(
        'CREATE INDEX "by status" ON warehouse.cases (lower(status)) WHERE gross_amount > 0.1::float8;'
        "ALTER TABLE warehouse.cases ADD waits interval DEFAULT '1 year -2 days 03:04:05', ADD third float8 DEFAULT 1 / 3.0::float8"
    )
    runs.load(run_at(2), EVERYTHING)
    indexes = "SELECT indexdef FROM pg_indexes WHERE tablename = 'cases' AND schemaname = 'warehouse' ORDER BY 1"
    rows = "SELECT row_to_json(row) FROM warehouse.cases AS row ORDER BY document_id"
    before = warehouse.sql(indexes), warehouse.sql(rows)
    request.getfixturevalue("worst")
    assert runs.load(run_at(3), EVERYTHING | {"cases": documents(10_000)}).committed
    assert runs.load(run_at(4), EVERYTHING).committed
    assert (warehouse.sql(indexes), warehouse.sql(rows)) == before
    assert warehouse.sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '_[0-9a-f]{12}$'") == ""


def ended(warehouse: Warehouse, connection: Connection) -> None:
    end = f"SELECT pg_terminate_backend({connection.facts.backend})"
    warehouse.sql(end)
    warehouse.wait_until_closed()


@pytest.mark.parametrize(
    ("how", "error", "code"),
    [
        ("SET idle_session_timeout = 1", TransientError, "57P05"),
        ("SET idle_in_transaction_session_timeout = 1; BEGIN", TransientError, "25P03"),
        ("SET transaction_timeout = 1; BEGIN", DatabaseTimeoutError, "25P04"),
        ("", TransientError, "57P01"),
    ],
)
def test_what_the_server_said_before_it_ended_the_session_is_the_error(
    warehouse: Warehouse, how: str, error: type[PipelineError], code: str
) -> None:
    if "transaction_timeout" in how and warehouse.server.major_version < 17:
        pytest.skip("from PostgreSQL 17 on")
    with open_session(warehouse.settings, "run-1", Timeouts()) as connection:
        if how:
            connection.execute(how.partition(";")[0])
            if "BEGIN" in how:
                connection.execute("BEGIN")
            warehouse.wait_until_closed()
        else:
            ended(warehouse, connection)
        with pytest.raises(error, match=f"SQLSTATE {code}: "):
            connection.query("SELECT 1")


def test_what_the_server_said_before_it_ended_a_copy_is_the_error(warehouse: Warehouse) -> None:
    with open_session(warehouse.settings, "run-1", Timeouts()) as connection:
        connection.execute("CREATE TEMPORARY TABLE copied (number int)")

        def blocks() -> Iterable[bytes]:
            yield b"1\n"
            ended(warehouse, connection)
            yield from [b"1\n" * 100_000] * 100

        with pytest.raises(TransientError, match="SQLSTATE 57P01: "):
            connection.copy_in("COPY copied FROM STDIN", blocks())


@pytest.mark.parametrize("error", [struct.error(), KeyError(b"?"), UnicodeDecodeError("utf8", b"item", 0, 1, "no")])
def test_an_answer_that_nobody_understands_is_an_error_of_its_own(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def confused(*_: Any) -> None:
        raise error

    with open_session(warehouse.settings, "run-1", Timeouts()) as connection:
        monkeypatch.setitem(connection._driver.message_types, b"D", confused)
        with pytest.raises(TransientError, match="cannot be parsed") as caught:
            connection.query("SELECT 'item'")
        assert "item" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"


def test_a_session_of_the_server_itself_is_no_poolers(warehouse: Warehouse) -> None:
    with open_session(warehouse.settings, "run-1", Timeouts()) as connection:
        assert not connection.is_pooled
        refuse_shared_sessions(connection, warehouse.settings)
        assert warehouse.sessions() == 1


# The process ids that a client of a pooler sees in turn, and those that another one sees before its last.
@pytest.mark.parametrize(
    ("pids", "refused"),
    [
        (([1, 1, 1], [2, 2]), False),  # a session for each client
        (([1, 1, 1], [1, 1]), True),  # the last one used comes first
        (([1, 2, 4], [3, 5]), True),  # the last one used comes last
        (([1, 1, 2], [3, 3]), True),  # another client was faster
    ],
)
def test_a_pooler_that_gives_each_transaction_another_session_is_refused_by_name(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, pids: tuple[list[int], ...], refused: bool
) -> None:
    connect, left = postgres.connect, [list(client) for client in pids]

    def connected(*arguments: Any) -> Connection:
        connection = connect(*arguments)
        connection.facts = connection.facts._replace(backend=left[0][0])
        connection.pids = left.pop(0)  # type: ignore[attr-defined]
        return connection

    def backend(connection: Connection) -> int:
        pids: list[int] = connection.pids  # type: ignore[attr-defined]
        del pids[0]
        return pids[0]

    monkeypatch.setattr(session, "connect", connected)
    monkeypatch.setattr(session, "_backend", backend)
    request = runs.request(run_at(1))
    if refused:
        message = f"{warehouse.settings.host}:{warehouse.settings.port}: .* a pooler in transaction mode"
        with pytest.raises(ConfigurationError, match=message):
            runs.prepare(request)
        assert "warehouse" not in warehouse.sql("SELECT nspname FROM pg_namespace")
    else:
        runs.prepare(request)
    warehouse.wait_until_closed()
