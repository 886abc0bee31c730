"""The command line `demand`: one module per group of commands, each thin over functions of `demand` that return values.

A module declares its commands with `command`, and is imported here.
"""

# isort: off - this is the order of demand --help
from demand.cli import config, logs, redrive, run, runs, schedule
from demand.cli.app import main

__all__ = ["main"]
