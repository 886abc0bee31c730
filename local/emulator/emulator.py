"""Starts and stops the emulator: one process on a free port of the loopback interface, with its state in memory."""

import json
import os
import shutil
import signal
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from local.private_file import write_private
from local.process import ProcessId, free_port, spawn

REGION = "eu-west-1"
ACCOUNT = "000000000000"
ACCESS_KEY = "test"
_PROJECT = Path(__file__).parents[2]
_COMMAND = [str(_PROJECT / ".venv-emulator" / "bin" / "python"), "-m", "local.emulator.server"]
_STATE = "process.json"  # in the emulator's folder, for other processes
_START_SECONDS = 60.0
_STOP_SECONDS = 5.0


class EmulatorError(RuntimeError):
    """The emulator did not start; the message contains the end of its log."""


@dataclass
class Emulator:
    """A running emulator; `folder` contains its log and its unpacked functions."""

    folder: Path
    port: int
    process: ProcessId

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Start the emulator, which outlives this process. Raises EmulatorError if it does not start."""
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        port = free_port()
        server = spawn(_COMMAND, folder / "log", cwd=_PROJECT, env=_environment(folder, port))
        try:
            emulator = cls(folder, port, ProcessId.of(server.pid))
            write_private(folder / _STATE, json.dumps({"port": port, "process": asdict(emulator.process)}))
            emulator._wait_until_it_answers()
        except (ProcessLookupError, TimeoutError):
            server.kill()
            log = (folder / "log").read_text(errors="replace")
            shutil.rmtree(folder, ignore_errors=True)
            raise EmulatorError(f"the emulator did not start:\n{log[-2000:]}") from None
        return emulator

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Return the emulator that was started in the folder; raises FileNotFoundError if it does not exist."""
        state = json.loads((folder / _STATE).read_text())
        return cls(folder, state["port"], ProcessId(**state["process"]))

    @property
    def endpoint(self) -> str:
        """The URL for AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.port}"

    def client_environment(self) -> dict[str, str]:
        """Return the `AWS_…` variables that direct any client to the emulator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        }

    def is_running(self) -> bool:
        """Whether the process that was started still runs."""
        return self.process.is_running()

    def remove(self) -> None:
        """Stop the emulator with all its functions and delete its folder."""
        self.process.stop([signal.SIGKILL], _STOP_SECONDS, group=True)  # there is no state to save
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if not self.is_running():
                raise ProcessLookupError
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.05)

    def _answers(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.endpoint}/_ministack/health", timeout=5) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
        except OSError:
            return False


def _environment(folder: Path, port: int) -> dict[str, str]:
    """Return the emulator's environment, which its functions inherit: only the PATH is the user's."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": f"unix://{folder}/no-docker",  # functions are processes: leave the user's Docker alone
        "AUTH": "true",  # enforce each function's role
        "IOT_MTLS_ENABLED": "0",  # would listen on a fixed port
        "SFTP_ENABLED": "0",  # would listen on another fixed port
        "AWS_XRAY_SDK_ENABLED": "false",
        "LOG_LEVEL": "WARNING",
    }
