"""Starts a run on the local stack with the command line `demand`, and checks the loaded rows."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from local import sam
from local.stack import Stack


class RunError(RuntimeError):
    """The run failed, or the loaded rows differ from the seeded items."""


def demand(stack: Stack, *words: str) -> int:
    """Run `demand` on this terminal, with the stack's settings only; returns its exit code."""
    environment = sam.environment(stack.folder / "sam", stack.environment)
    return subprocess.run([sys.executable, "-m", "demand", *words], env=environment, check=False).returncode


def refresh(stack: Stack) -> dict[str, Any]:
    """Start a run, watch it to its end, and return its description and parsed output; raises RunError if it failed."""
    code = demand(stack, "run")
    states = stack.client("stepfunctions")
    [latest] = states.list_executions(stateMachineArn=stack.environment["STATE_MACHINE_ARN"], maxResults=1)[
        "executions"
    ]
    described: dict[str, Any] = states.describe_execution(executionArn=latest["executionArn"])
    if code or described["status"] != "SUCCEEDED":
        raise RunError(f"demand run ended with {code}, and its run is {described['status']}")
    return described | {"output": json.loads(described["output"])}


def check(stack: Stack, output: Mapping[str, Any], expected: Mapping[str, Mapping[str, int]]) -> None:
    """Compare the run's counts and the warehouse's rows with the seeded items; raises RunError if they differ."""
    wrong = []
    for table in output["tables"]:
        name = table["table"]
        seeded = expected[name]
        wanted = {
            "scanned": seeded["items"],
            "rejected": seeded["rejected"],
            "sanitized": seeded["sanitized"],
            "loaded": seeded["items"] - seeded["rejected"],
        }
        found = {field: table[field] for field in wanted}
        found["in the warehouse"] = int(stack.postgres.execute(f'SELECT count(*) FROM "{name}"'))  # noqa: S608 - ours
        wanted["in the warehouse"] = wanted["loaded"]
        wrong += [f"{name}: {key} {found[key]}, expected {wanted[key]}" for key in wanted if found[key] != wanted[key]]
    if wrong:
        raise RunError("the run's counts differ from the sample's:\n" + "\n".join(wrong))
