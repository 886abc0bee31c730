"""A local replacement of an AWS service in a separate process, so that its CPU can be measured separately."""

import io
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit


class Server:
    """Runs `python -m module arguments…` during a `with` block, in which `url` and `pid` are valid.

    The process prints its port when it is ready. It ends when its standard input ends: at the latest with this
    process, however it ends.
    """

    def __init__(self, module: str, *arguments: str, scheme: str = "http") -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._scheme = scheme
        self.url = ""
        self.pid = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.strip().isdigit():
            self._process.communicate()
            raise RuntimeError(f"{' '.join(self._command[1:3])}: expected a port, got {line!r}")
        self.url = f"{self._scheme}://127.0.0.1:{int(line)}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


class Request(NamedTuple):
    """A request; the names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """An answer; its body may be in parts."""

    body: Sequence[bytes | memoryview] = ()
    headers: Mapping[str, str] = {}
    status: int = 200


def serve(answer: Callable[[Request], Answer], certificate: str = "") -> None:
    """Serve on a free port, print it, and end with standard input; use TLS if a certificate's file is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm: ClassVar[bool] = True
        rbufsize = 1 << 18

        def respond(self) -> None:
            url = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = _body(headers, self.rfile)
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            found = answer(Request(self.command, unquote(url.path), query, headers, body))
            self.send_response_only(found.status)
            for name, value in {"Content-Length": str(sum(map(len, found.body))), **found.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"".join(found.body))

        def log_message(self, *_: object) -> None:
            pass  # logging would cost time

        do_GET = do_HEAD = do_POST = do_PUT = respond  # noqa: N815 - http.server's names

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


def _body(headers: Mapping[str, str], file: io.BufferedIOBase) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return file.read(int(headers.get("content-length", 0)))
    # HTTP's chunks contain AWS's chunks, which have the same form and end with the body's checksum.
    return b"".join(_chunks(io.BytesIO(b"".join(_chunks(file)))))


def _chunks(file: io.BufferedIOBase) -> Iterator[bytes]:
    while size := int(file.readline(), 16):
        yield file.read(size)
        file.readline()
    while file.readline().strip():
        pass  # the checksum after the last chunk
