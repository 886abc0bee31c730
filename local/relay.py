"""Makes servers on the loopback interface reachable for containers: a process relays TCP from the bridge's address.

`python -m local.relay FD:PORT …` forwards connections from a listening socket to that port of 127.0.0.1.
"""

import asyncio
import contextlib
import functools
import json
import shutil
import socket
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from local.private_file import write_private
from local.process import ProcessId, spawn

_PROJECT = Path(__file__).parents[1]
_STATE = "process.json"  # in the relay's folder, for other processes
_STOP_SECONDS = 5.0
_BLOCK_BYTES = 1 << 16


@dataclass
class Relay:
    """A running relay; `ports` maps each port of the loopback interface to its port at `address`."""

    folder: Path
    address: str
    ports: dict[int, int]
    process: ProcessId

    @classmethod
    def create(cls, folder: Path, address: str, targets: Iterable[int]) -> Self:
        """Start a relay to the ports, on free ports; it outlives this process.

        Raises OSError if the address does not belong to this machine.
        """
        with contextlib.ExitStack() as stack:
            sockets = {port: stack.enter_context(socket.create_server((address, 0))) for port in targets}
            folder.mkdir(parents=True, exist_ok=True)
            pairs = [f"{listening.fileno()}:{port}" for port, listening in sockets.items()]
            handles = [listening.fileno() for listening in sockets.values()]
            command = [sys.executable, "-m", "local.relay", *pairs]
            server = spawn(command, folder / "log", cwd=_PROJECT, env={}, pass_fds=handles)
            ports = {port: listening.getsockname()[1] for port, listening in sockets.items()}
        relay = cls(folder, address, ports, ProcessId.of(server.pid))
        state = {"address": address, "ports": [*ports.items()], "process": asdict(relay.process)}
        write_private(folder / _STATE, json.dumps(state))
        return relay

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Return the relay that was started in the folder; raises FileNotFoundError if it does not exist."""
        state = json.loads((folder / _STATE).read_text())
        return cls(folder, state["address"], dict(state["ports"]), ProcessId(**state["process"]))

    def is_running(self) -> bool:
        """Whether the process that was started still runs."""
        return self.process.is_running()

    def remove(self) -> None:
        """Stop the relay and delete its folder."""
        self.process.stop([], _STOP_SECONDS)  # there is nothing to save
        shutil.rmtree(self.folder, ignore_errors=True)


async def _serve(pairs: Iterable[str]) -> None:
    """Relay until the process is stopped."""
    servers = []
    for pair in pairs:
        handle, port = map(int, pair.split(":"))
        relay = functools.partial(_relay, port)
        servers.append(await asyncio.start_server(relay, sock=socket.socket(fileno=handle)))
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _relay(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError), contextlib.closing(writer):
        there, back = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(back):
            await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the reader ends, and forward the end: the other direction may continue."""
    while block := await reader.read(_BLOCK_BYTES):
        writer.write(block)
        await writer.drain()
    writer.write_eof()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1:]))
