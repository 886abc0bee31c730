"""`make fuzz` and `make soak` as programs, with as little work as they take."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param("campaigns.fuzz --items 20 --seed 1", id="fuzz"),
        pytest.param("campaigns.faults --rounds 1 --seed 5011 --workers 1", id="faults", marks=pytest.mark.slow),
    ],
)
def test_a_campaign_runs_by_itself_and_passes(arguments: str) -> None:
    command = [sys.executable, "-m", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1].rpartition(", ")[2]) == (0, "0 failed"), done.stderr
