"""The command line `demand`: one module per group of commands, each thin over functions of `demand` that return values.

A module declares its commands with `command`, and is imported here.
"""

# isort: off - this is the order of demand --help
from demand.cli.app import main
from demand.cli import run
from demand.cli import runs
from demand.cli import logs
from demand.cli import redrive
from demand.cli import schedule
from demand.cli import config

__all__ = ["main"]
