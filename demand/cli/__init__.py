"""The command line `demand`: one module per group of commands, each thin over functions of `demand` that return values.

A module declares its commands with `command`, and is imported here.
"""

# The order of demand --help.
# isort: off
from demand.cli.app import main
from demand.cli import status
from demand.cli import estimate
from demand.cli import run
from demand.cli import runs
from demand.cli import logs
from demand.cli import locks
from demand.cli import explain
from demand.cli import redrive
from demand.cli import rejects
from demand.cli import verify
from demand.cli import drift
from demand.cli import previous
from demand.cli import doctor
from demand.cli import schedule
from demand.cli import infer
from demand.cli import report
from demand.cli import config
# isort: on

__all__ = ["main"]
