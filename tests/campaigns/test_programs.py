"""`make fuzz` and `make soak` as programs, with as little work as they take."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments",
    ["campaigns.fuzz --items 20 --seed 1", "campaigns.faults --rounds 1 --seed 3001 --workers 1"],
    ids=lambda arguments: arguments.split()[0],
)
def test_a_campaign_runs_by_itself_and_passes(arguments: str) -> None:
    command = [sys.executable, "-m", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1].rpartition(", ")[2]) == (0, "0 failed"), done.stderr
