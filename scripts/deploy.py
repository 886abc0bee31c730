"""Deploy while no run is active: `make deploy CONFIG_ENV=staging`, which takes OPTIONS for SAM.

It runs `sam build`, pauses the schedule, waits for the end of active runs and automatic redrives, runs `sam deploy`,
and resumes the schedule. It does not prevent an operator from starting a run meanwhile.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from demand.aws import Clients
from demand.config import Flags, find_config
from demand.errors import DemandError, from_aws
from demand.schedule import DISABLED, ENABLED, set_state
from demand.stack import Stack, find_stack

_PROGRAMS = Path(__file__).parents[1] / ".venv-sam" / "bin"
_POLL_SECONDS = 15.0
_MACHINES = ("StateMachineArn", "RepairRunArn")  # outputs

type Find = Callable[[], Stack | None]


def deploy(find: Find, run: Callable[..., int], environment: str, options: Sequence[str] = ()) -> int:
    """Build, deploy while no run is active, and return SAM's exit code.

    `find` returns None before the first deployment.
    """
    if code := run("build", "--config-env", environment):
        return code
    with _paused(find, environment):
        if stack := find():
            wait_for_runs(stack)
        return run("deploy", "--config-env", environment, *options)


def wait_for_runs(stack: Stack) -> None:
    """Wait until no run is active, and no failed run waits for its automatic redrive."""
    said: list[str] = []
    while names := _active(stack):
        if names != said:
            print(f"waiting for {', '.join(names)}", flush=True)
        said = names
        time.sleep(_POLL_SECONDS)


def _active(stack: Stack) -> list[str]:
    states = stack.client("stepfunctions")
    return [
        f"{machine.rpartition(':')[2]} {execution['name']}"
        for output in _MACHINES
        if (machine := stack.outputs.get(output))
        for execution in states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
    ]


@contextmanager
def _paused(find: Find, environment: str) -> Iterator[None]:
    """Let the schedule start no runs. Afterwards it does again, unless it did not before or is no longer meant to."""
    stack = find()
    enabled = stack is not None and set_state(stack, DISABLED).was == ENABLED
    if enabled:
        print(f"the schedule is paused; if this is killed, run demand resume --config-env {environment}", flush=True)
    try:
        yield
    finally:
        if enabled and (now := find()) and now.parameters.get("ScheduleState", ENABLED) == ENABLED:
            set_state(now, ENABLED)


def main() -> int:
    """Deploy the environment of `samconfig.toml` that is the first argument."""
    environment, *options = sys.argv[1:] or ["default"]

    def find() -> Stack | None:
        config = find_config(Flags(config_env=environment))
        try:
            return find_stack(config, Clients(config))
        except DemandError as error:
            if error.kind not in ("UnknownStack", "NotDeployed"):
                raise
            return None

    def run(*words: str) -> int:
        variables = {**os.environ, "PATH": f"{_PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
        return subprocess.run([str(_PROGRAMS / "sam"), *words], env=variables, check=False).returncode  # noqa: S603

    try:
        return deploy(find, run, environment, options)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        problem = error if isinstance(error, DemandError) else from_aws(error)
        if problem is None:
            raise
        print(f"error: {problem}", *([f"try: {problem.hint}"] if problem.hint else []), sep="\n", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
