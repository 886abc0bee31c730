"""No call of AWS outlives the function, whatever the service does: it fails before Lambda's time limit."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.endpoint
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.response import StreamingBody

from demand_pipeline.deadline import RESERVE_SECONDS
from demand_pipeline.errors import TransientError
from demand_pipeline.postgres import credentials
from tests.functions.conftest import Invoke
from tests.support.aws import VARIABLES, boto_session
from tests.support.functions import Context

# botocore: up to 20 s before a retry, and 5 s more if the service asks for it.
LONGEST_PAUSE = 25
WHOLE_TIME = 900.0
LAST_LOOK = RESERVE_SECONDS + 0.001  # calls may start right after the function looked at its clock for the last time


@dataclass
class Clock(Context):
    """The function's time, which passes only where a service is waited for, by as much as its client would wait."""

    left: float = 0.0
    timeouts: tuple[float, float] = (0, 0)

    def get_remaining_time_in_millis(self) -> int:
        return int(self.left * 1000)

    def fail(self) -> None:
        """The worst attempt: to connect, to send and to read take as long as they may."""
        connect, read = self.timeouts
        self.left -= connect + connect + read

    def pause(self, _: float) -> None:
        self.left -= LONGEST_PAUSE


@pytest.fixture
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(left=request.param)
    make: Any = URLLib3Session.__init__
    send, read = URLLib3Session.send, StreamingBody.read

    def make_quick(self: URLLib3Session, *arguments: Any, timeout: Any, **options: Any) -> None:
        if isinstance(timeout, tuple):  # or it is one for credentials
            clock.timeouts, timeout = timeout, (timeout[0], 0.2)
        make(self, *arguments, timeout=timeout, **options)

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            try:
                answer = call(*arguments)
            except ReadTimeoutError:
                clock.fail()
                raise
            if getattr(answer, "status_code", 200) >= 500:
                clock.fail()
            return answer

        return run

    monkeypatch.setattr(URLLib3Session, "__init__", make_quick)
    monkeypatch.setattr(URLLib3Session, "send", timed(send))
    monkeypatch.setattr(StreamingBody, "read", timed(read))
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=clock.pause))
    return clock


class Service(ThreadingHTTPServer):
    """DynamoDB, S3 and Secrets Manager on the loopback interface; one of them is in `trouble`."""

    daemon_threads = True
    trouble = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.closed = Event()
        self.failures = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        target = self.headers.get("X-Amz-Target", "s3").partition(".")[0].partition("_")[0].lower()
        if not self.server.trouble.startswith(target):
            self._answer(200, b'{"Items":[],"Count":0}' if target == "dynamodb" else b"")
            return
        self.server.failures += 1
        if self.server.trouble.endswith("stalls"):
            self._answer(200, b"\x1f\x8b", missing=1000)
        if self.server.trouble.endswith("fails"):
            self._answer(500, b"")
        else:
            self.server.closed.wait()

    do_GET = do_PUT = do_POST  # noqa: N815 - the names that http.server looks for

    def _answer(self, status: int, body: bytes, missing: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + missing))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        thread = Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield service
        service.closed.set()
        service.shutdown()
        thread.join()


@pytest.fixture
def aws(service: Service, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The service in place of AWS."""
    for name, value in {
        **VARIABLES,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{service.server_port}",
        **dict.fromkeys(("POSTGRES_HOST", "POSTGRES_DATABASE", "POSTGRES_SCHEMA", "POSTGRES_SECRET_ARN"), "x"),
        "POSTGRES_PORT": "5432",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto_session())
    credentials.secrets.cache_clear()
    yield
    credentials.secrets.cache_clear()


@pytest.fixture
def context(clock: Clock) -> Context:
    return clock


@pytest.mark.parametrize(
    ("sample", "trouble"),
    [
        ("scan_segment", "dynamodb fails"),
        ("scan_segment", "dynamodb is silent"),
        ("scan_segment", "s3 fails"),
        ("scan_segment", "s3 is silent"),
        ("transform_cases", "s3 fails"),
        ("transform_cases", "s3 is silent"),
        ("transform_cases", "s3 stalls"),
    ],
)
@pytest.mark.parametrize("clock", [WHOLE_TIME, LAST_LOOK], indirect=True)
def test_trouble_ends_before_the_functions_time_does(
    invoke: Invoke, clock: Clock, service: Service, sample: str, trouble: str
) -> None:
    event = json.loads(Path(f"events/{sample}.json").read_text())
    event |= {"readUnitsPerSecond": 1e9}  # one reader: two would wait at the same time, which this clock does not know
    retried = clock.left == WHOLE_TIME and "stalls" not in trouble
    service.trouble = trouble
    with pytest.raises(TransientError):
        invoke(sample.partition("_cases")[0], event)
    assert service.failures > (1 if retried else 0)
    assert clock.left > 0


@pytest.mark.parametrize("trouble", ["secretsmanager fails", "secretsmanager is silent"])
@pytest.mark.parametrize("clock", [WHOLE_TIME], indirect=True)
def test_secrets_leave_a_load_its_time(invoke: Invoke, clock: Clock, service: Service, trouble: str) -> None:
    service.trouble = trouble
    with pytest.raises(TransientError):
        invoke("load_warehouse", json.loads(Path("events/load_warehouse.json").read_text()))
    assert service.failures > 1
    # A load reads three at most: the root certificate, the password, and the password once more.
    assert 3 * (WHOLE_TIME - clock.left) < WHOLE_TIME / 2
