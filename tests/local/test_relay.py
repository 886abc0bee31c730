"""The relay listens on one address and passes everything on, in both directions."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.relay import Relay

ADDRESS = "127.0.0.2"


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that answers with what it was sent, once the client has sent all."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(received(connection))

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def relay(tmp_path: Path, echo: int) -> Iterator[Relay]:
    relay = Relay.create(tmp_path / "relay", ADDRESS, [echo])
    yield relay
    relay.remove()


def received(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def exchanged(address: str, port: int, message: bytes) -> bytes:
    with socket.create_connection((address, port), timeout=30) as client:
        client.sendall(message)
        client.shutdown(socket.SHUT_WR)
        return received(client)


def test_what_is_sent_and_answered_passes_whole_though_one_side_ends_first(relay: Relay, echo: int) -> None:
    for message in (b"short", bytes(range(256)) * 10_000):
        assert exchanged(ADDRESS, relay.ports[echo], message) == message


def test_it_listens_on_no_other_address(relay: Relay, echo: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", relay.ports[echo]), timeout=30)


def test_where_nobody_listens_the_client_is_hung_up_on_and_others_are_served(tmp_path: Path, echo: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    relay = Relay.create(tmp_path / "relay", ADDRESS, [nobody, echo])
    try:
        assert exchanged(ADDRESS, relay.ports[nobody], b"") == b""
        assert exchanged(ADDRESS, relay.ports[echo], b"hello") == b"hello"
    finally:
        relay.remove()


def test_another_process_finds_the_relay_in_its_folder_and_removes_it(relay: Relay) -> None:
    found = Relay.at(relay.folder)
    assert (found, found.is_running()) == (relay, True)
    found.remove()
    assert (relay.is_running(), relay.folder.exists()) == (False, False)


def test_an_address_of_another_machine_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="assign"):
        Relay.create(tmp_path / "relay", "192.0.2.1", [1])
    assert not (tmp_path / "relay").exists()
