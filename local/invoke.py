"""Runs the deployed functions with `sam local invoke`: its settings, the command, and its answer."""

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import docker, lambda_image, sam
from local.sample_events import SampleEvent
from local.stack import PROJECT, Stack
from local.variables import Variables

_SETTINGS = """\
# Written by make demo, for: sam local invoke FUNCTION --config-file {file} --event FILE
version = 0.1

[default.local_invoke.parameters]
template_file = {template}
env_vars = {variables}
parameter_overrides = {parameters}
layer_cache_basedir = {layers}
add_host = {host}
skip_pull_image = true
"""


_STOP_SECONDS = 5.0
_MEMORY = re.compile(r"Memory Size: (\d+) MB")


class InvokeError(RuntimeError):
    """A function did not answer, or answered with an error; the message is one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a function, and the memory of its container in MB."""

    payload: dict[str, Any]
    memory: int


def write_settings(stack: Stack, variables: Variables) -> Path:
    """Write the variables file and SAM's settings, which refer to it; returns the path of the settings."""
    (stack.folder / "variables.json").write_text(json.dumps(variables, indent=2) + "\n")
    path = stack.folder / "samconfig.toml"
    values = {
        "template": stack.folder / "sam" / "build" / "template.yaml",
        "variables": stack.folder / "variables.json",
        "layers": stack.folder / "sam" / "layers",
        "parameters": f"Architecture={lambda_image.architecture()}",
        "host": f"{docker.HOST}:host-gateway",
    }
    quoted = {name: json.dumps(str(value)) for name, value in values.items()}  # TOML's strings are JSON's here
    path.write_text(_SETTINGS.format(file=path, **quoted))
    return path


def command(function: str, event: Path, settings: Path) -> list[str]:
    """Return the command as a person would type it."""
    return ["sam", "local", "invoke", function, "--config-file", str(settings), "--event", str(event)]


def invoke(stack: Stack, event: SampleEvent) -> Answer:
    """Run one of the stack's copies in a container and return the answer; raises InvokeError."""
    line = command(event.function, event.path(stack.folder / "events"), stack.folder / "samconfig.toml")
    environment = sam.environment(stack.folder / "sam", stack.environment)
    output, log = _run(line, environment)
    try:
        payload = json.loads(output.splitlines()[-1])
        [memory] = _MEMORY.findall(log)
    except (IndexError, ValueError):
        said = [line for line in log.splitlines() if line.strip()] or ["nothing"]
        raise InvokeError(f"the last line of its output is not an answer: {output or said[-1]!r:.500}") from None
    if "errorType" in payload:
        raise InvokeError(f"{payload['errorType']}: {payload.get('errorMessage')}")
    return Answer(payload, int(memory))


def _run(line: list[str], environment: Mapping[str, str]) -> tuple[str, str]:
    """Run sam and return its output and its log; after an interrupt, sam can stop its container first."""
    with subprocess.Popen(
        line,
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, log = process.communicate()
        except BaseException:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            process.kill()  # after its container has stopped, sam waits for the function's time limit
            raise
    return output.strip(), log
