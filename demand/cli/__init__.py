"""The command line `demand`: one module per group of commands, each thin over functions of `demand` that return values.

A module declares its commands with `command`, and is imported here.
"""

from demand.cli.app import main

from demand.cli import run, runs, redrive, config  # isort: skip  # in the order of --help

__all__ = ["config", "main", "redrive", "run", "runs"]
