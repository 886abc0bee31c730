"""A session with the warehouse: who is trusted, what is refused, and by which name."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import boto3
import pg8000.native
import pytest
import trustme

from demand_pipeline.errors import (
    ConfigurationError,
    DatabaseAuthenticationError,
    DatabaseCertificateError,
    DatabaseConnectionError,
    DatabaseError,
    DatabasePrivilegeError,
    TransientError,
)
from demand_pipeline.postgres import connection as postgres
from demand_pipeline.postgres import network
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.credentials import Credentials, read_credentials
from demand_pipeline.postgres.session import open_session
from demand_pipeline.settings import PostgresSettings
from tests.support.warehouse import Warehouse

SHORT = Timeouts(connect=2)


def opened(settings: PostgresSettings) -> Connection:
    return open_session(settings, "run-1", SHORT)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Something on a port that is not PostgreSQL: it answers each client once and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # the listener is shut down
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(8)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_the_session_is_encrypted_and_named_after_the_run(warehouse: Warehouse) -> None:
    with opened(warehouse.settings) as connection:
        assert connection.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [[True]]
        assert connection.query("SHOW application_name") == [["demand-pipeline run-1"]]


def test_no_message_waits_until_the_one_before_it_is_acknowledged(warehouse: Warehouse) -> None:
    with opened(warehouse.settings) as connection:
        assert connection._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_session_is_gone_when_its_block_is_left(warehouse: Warehouse) -> None:
    with opened(warehouse.settings):
        assert warehouse.sessions() == 1
    warehouse.wait_until_closed()


def test_the_session_forgives_no_setting_of_role_or_database(warehouse: Warehouse) -> None:
    odd = {"timezone": "Asia/Tokyo", "datestyle": "SQL, DMY", "bytea_output": "escape", "array_nulls": "off"}
    odd |= {"client_encoding": "LATIN1", "search_path": "elsewhere", "standard_conforming_strings": "off"}
    for name, value in odd.items():
        warehouse.sql(f"ALTER DATABASE \"{warehouse.settings.database}\" SET {name} = '{value}'")
    with opened(warehouse.settings) as connection:
        found = {name: connection.query(f"SHOW {name}")[0][0] for name in odd}
    assert found == {
        "timezone": "UTC",
        "datestyle": "ISO, YMD",
        "bytea_output": "hex",
        "array_nulls": "on",
        "client_encoding": "UTF8",
        "search_path": "pg_catalog, pg_temp",
        "standard_conforming_strings": "on",
    }


def test_a_dead_client_leaves_nothing_behind_for_longer_than_a_minute(warehouse: Warehouse) -> None:
    with open_session(warehouse.settings, "run-1", Timeouts(lock=3, statement=100, idle=40)) as connection:
        rows = connection.query("SELECT name, setting, unit FROM pg_settings")
        seconds = {
            name: int(setting) / (1000 if unit == "ms" else 1) for name, setting, unit in rows if unit in ("s", "ms")
        }
    assert (seconds["statement_timeout"], seconds["lock_timeout"]) == (100, 3)
    assert seconds["idle_in_transaction_session_timeout"] == 40
    assert seconds["client_connection_check_interval"] <= 10
    assert seconds["tcp_user_timeout"] <= 30
    [probes] = [int(setting) for name, setting, _ in rows if name == "tcp_keepalives_count"]
    assert seconds["tcp_keepalives_idle"] + seconds["tcp_keepalives_interval"] * probes <= 60


def test_the_certificates_of_rds_are_trusted_where_no_other_root_is_named(warehouse: Warehouse) -> None:
    assert network.trust(None).cert_store_stats()["x509"] == 120
    with pytest.raises(DatabaseCertificateError, match=r"self-signed certificate in certificate chain|unable to get"):
        opened(warehouse.at(tls_root_secret=""))


def test_a_server_of_another_authority_is_refused(warehouse: Warehouse) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    secret = boto3.client("secretsmanager").create_secret(Name="other", SecretString=other)["ARN"]
    with pytest.raises(DatabaseCertificateError):
        opened(warehouse.at(tls_root_secret=secret))


def test_a_certificate_for_another_host_name_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(DatabaseCertificateError, match=r"127\.1"):  # reaches 127.0.0.1, and is not in the certificate
        opened(warehouse.at(host="127.1"))


def test_a_root_that_is_no_certificate_is_a_configuration_error(warehouse: Warehouse) -> None:
    for text in ("nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(ConfigurationError, match="TLS root"):
            network.trust(text)


def test_a_server_without_tls_gets_no_password(warehouse: Warehouse) -> None:
    with answering(b"N") as port, pytest.raises(DatabaseCertificateError, match="does not support TLS"):
        opened(warehouse.at(port=port))


def test_something_that_is_no_tls_server_is_refused(warehouse: Warehouse) -> None:
    with answering(b"S" + b"HTTP/1.1 400 Bad Request\r\n") as port, pytest.raises(DatabaseCertificateError):
        opened(warehouse.at(port=port))


@pytest.mark.parametrize("answer", [b"", b"S"])
def test_a_server_that_hangs_up_is_tried_again(warehouse: Warehouse, answer: bytes) -> None:
    with answering(answer) as port, pytest.raises(TransientError):
        opened(warehouse.at(port=port))


def test_a_host_where_nobody_answers_is_named(warehouse: Warehouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DatabaseConnectionError, match=f"localhost:{port}: "):
        opened(warehouse.at(port=port))
    for host in ("nowhere.invalid", "a..b", "x" * 64 + ".invalid"):
        with pytest.raises(DatabaseConnectionError, match=host):
            opened(warehouse.at(host=host))


def test_a_host_that_is_silent_is_given_up(warehouse: Warehouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(TransientError, match="timed out"):
        open_session(warehouse.at(port=listener.getsockname()[1]), "run-1", Timeouts(connect=0.2))


def test_a_wrong_password_is_an_authentication_error_that_does_not_tell_it(warehouse: Warehouse) -> None:
    warehouse.put_secret("pipeline", "sesame-open")
    assert "sesame" not in repr(read_credentials(warehouse.settings))
    with pytest.raises(DatabaseAuthenticationError, match="28P01") as caught:
        opened(warehouse.settings)
    assert "sesame" not in "".join(str(error) for error in causes(caught.value))
    warehouse.put_secret("nobody", "sesame-open")
    with pytest.raises(DatabaseAuthenticationError):
        opened(warehouse.settings)
    warehouse.put_secret("pipeline", "sesame\x07")
    with pytest.raises(DatabaseAuthenticationError) as caught:
        opened(warehouse.settings)
    assert "sesame" not in "".join(str(error) for error in causes(caught.value))


# What SASLprep refuses, removes, maps and normalizes: an emoji of today, a tab, a text of both directions; a soft
# hyphen, also alone; a space; a full-width letter.
PASSWORDS = ["a\U0001fae0b", "🌻", "a\tb", "\u0627a", "a\u00adb", "\u00ad", "a\u00a0b", "\uff21bc", "é"]


@pytest.mark.parametrize(("role", "password"), [*(("somebody", password) for password in PASSWORDS), ("\t🌻", "plain")])
def test_whoever_psql_logs_in_logs_in_here(warehouse: Warehouse, role: str, password: str) -> None:
    warehouse.sql(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{password}'")
    try:
        warehouse.put_secret(role, password)
        with opened(warehouse.settings) as connection:
            assert connection.query("SELECT session_user::text") == [[role]]
    finally:
        warehouse.sql(f'DROP ROLE "{role}"')


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.fixture
def without_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver fails to close: the server has hung up first, say."""

    def close(_: object) -> None:
        raise pg8000.native.InterfaceError("network error")

    monkeypatch.setattr(pg8000.native.Connection, "close", close)


def test_the_session_is_closed_even_if_saying_goodbye_fails(warehouse: Warehouse, without_goodbye: None) -> None:
    with opened(warehouse.settings) as connection:
        assert warehouse.sessions() == 1
    warehouse.wait_until_closed()
    del connection  # held until here, as an error's frames would hold it


def test_the_refusal_is_seen_even_if_saying_goodbye_fails_too(warehouse: Warehouse, without_goodbye: None) -> None:
    warehouse.put_secret("pipeline", "sesame-open")
    with pytest.raises(DatabaseAuthenticationError):
        opened(warehouse.settings)


def test_a_rotated_password_is_read_again_once(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    server = warehouse.server
    warehouse.sql("CREATE ROLE rotated LOGIN PASSWORD 'first'")
    try:
        warehouse.put_secret("rotated", "first")
        opened(warehouse.settings).close()
        warehouse.sql("ALTER ROLE rotated PASSWORD 'second'")
        warehouse.put_secret("rotated", "second")
        assert read_credentials(warehouse.settings).password == "first"  # what is kept
        opened(warehouse.settings).close()
        assert read_credentials(warehouse.settings).password == "second"
    finally:
        server.execute("DROP ROLE rotated", admin=True)


@pytest.mark.parametrize(("secret", "text"), [("login", "{}"), ("root", "no certificate"), ("root", None)])
def test_a_secret_that_was_corrected_is_read_again_at_once(warehouse: Warehouse, secret: str, text: str | None) -> None:
    manager = boto3.client("secretsmanager")
    right = manager.get_secret_value(SecretId=secret)["SecretString"]
    wrong = trustme.CA().cert_pem.bytes().decode() if text is None else text
    manager.put_secret_value(SecretId=secret, SecretString=wrong)
    with pytest.raises((ConfigurationError, DatabaseCertificateError)):
        opened(warehouse.settings)
    manager.put_secret_value(SecretId=secret, SecretString=right)
    with opened(warehouse.settings) as connection:
        assert connection.query("SELECT 1") == [[1]]


def test_a_password_that_stays_wrong_is_tried_twice_and_no_more(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    original = postgres.connect

    def connect(settings: PostgresSettings, login: Credentials, *others: object) -> Connection:
        tried.append(login.password)
        return original(settings, login, *others)  # type: ignore[arg-type]

    monkeypatch.setattr("demand_pipeline.postgres.session.connect", connect)
    warehouse.put_secret("pipeline", "wrong")
    with pytest.raises(DatabaseAuthenticationError):
        opened(warehouse.settings)
    assert tried == ["wrong", "wrong"]


def test_a_role_that_may_not_connect_is_a_privilege_error(warehouse: Warehouse) -> None:
    warehouse.sql(f'REVOKE CONNECT ON DATABASE "{warehouse.settings.database}" FROM PUBLIC')
    warehouse.sql("CREATE ROLE stranger LOGIN PASSWORD 'strange'")
    try:
        warehouse.put_secret("stranger", "strange")
        with pytest.raises(DatabasePrivilegeError, match="42501"):
            opened(warehouse.settings)
    finally:
        warehouse.sql("DROP ROLE stranger")


@pytest.mark.parametrize("limited", ['ROLE "{user}"', 'DATABASE "{database}"'])
def test_a_limit_of_connections_is_named_with_the_statement_that_raises_it(warehouse: Warehouse, limited: str) -> None:
    limited = limited.format(user=warehouse.server.user, database=warehouse.settings.database)
    warehouse.sql(f"ALTER {limited} CONNECTION LIMIT 1")
    try:
        advice = rf"53300: too many connections for .*CONNECTION LIMIT .*\(ALTER {limited.split()[0]}\)"
        with opened(warehouse.settings), pytest.raises(TransientError, match=advice):
            opened(warehouse.settings)
    finally:
        warehouse.sql(f"ALTER {limited} CONNECTION LIMIT -1")


def test_a_database_that_does_not_exist_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(DatabaseError, match='database "nothing" does not exist'):
        opened(warehouse.at(database="nothing"))


@pytest.mark.parametrize("text", ["", "secret", '["secret"]', '{"username": "x"}', '{"username": "x", "password": 1}'])
def test_a_malformed_secret_is_a_configuration_error_that_does_not_tell_it(warehouse: Warehouse, text: str) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=warehouse.settings.secret, SecretString=text or " ")
    with pytest.raises(ConfigurationError, match="username and password") as caught:
        opened(warehouse.settings)
    assert all('"x"' not in str(error) and 'secret"' not in str(error) for error in causes(caught.value))


def test_a_secret_that_does_not_exist_is_a_configuration_error(warehouse: Warehouse) -> None:
    with pytest.raises(ConfigurationError, match="nothing"):
        opened(warehouse.at(secret="nothing"))
    binary = boto3.client("secretsmanager").create_secret(Name="binary", SecretBinary=b"x")["ARN"]
    with pytest.raises(ConfigurationError, match="found a binary one"):
        opened(warehouse.at(secret=binary))


ODD_TEXTS = [
    "null",
    "Null",
    "nULL",
    "NULL",
    "",
    " ",
    "{}",
    "{",
    '"',
    "a\\b",
    "a,b",
    "it's",
    ":name",
    "\t\n",
    "\u00a0",
    "é🌻",
]


def test_every_text_of_a_list_arrives_as_it_is(warehouse: Warehouse) -> None:
    with opened(warehouse.settings) as connection:
        texts = [None, *ODD_TEXTS]
        assert connection.query("SELECT element FROM unnest(:texts::text[]) AS element", texts=texts) == [
            [t] for t in texts
        ]
        assert connection.query("SELECT cardinality(:texts::text[])", texts=[]) == [[0]]
