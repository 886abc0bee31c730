"""A local stand-in of an AWS service in a process of its own, so that its CPU is not counted as anybody else's."""

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Self


class EndpointError(RuntimeError):
    """The endpoint's process did not come up."""


class Endpoint:
    """Runs `python -m module arguments…` for the time of a `with` block; `url` and `pid` hold inside of it.

    The process says its port when it is ready, and ends when its standard input does: with this process
    at the latest, however that one ends.
    """

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self.url = ""
        self.pid = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = self._process.stdout.readline() if self._process.stdout else ""
        if not said.strip().isdigit():
            self._stop()
            raise EndpointError(f"{' '.join(self._command[1:])}: expected a port, got {said!r}")
        self.url = f"http://127.0.0.1:{int(said)}"
        self.pid = self._process.pid
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive; a subclass has the `do_…` methods."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm: ClassVar[bool] = True
    rbufsize = 1 << 18

    def body(self) -> bytes:
        """The request's body, of a length given in advance."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send an answer with its length."""
        self.send_response_only(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: what is measured is not interrupted."""


def serve(make_handler: Callable[..., Handler]) -> None:
    """Serve on a free port, say it on standard output, and end when standard input does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
