"""A run's input as the options of `demand run`, and back: one table of both names; commands to paste."""

import shlex
from collections.abc import Mapping
from typing import Any

from demand_pipeline.builders import TABLES

OPTIONS = {
    "tables": "--tables",
    "dryRun": "--dry-run",
    "maxItems": "--max-items",
    "saveCsv": "--save-csv",
    "maxRejectPercent": "--max-reject-percent",
    "maxShrinkPercent": "--max-shrink-percent",
    "force": "--force",
}


def is_accepted(given: Mapping[str, Any]) -> bool:
    """Whether the state machine takes fields and values of these kinds. Anybody may have started the run."""
    return all(
        isinstance(value, list) and bool(value) and all(name in tuple(TABLES) for name in value)
        if field == "tables"
        else field in OPTIONS and isinstance(value, bool | int | float)
        for field, value in given.items()
    )


def wanted_tables(given: Mapping[str, Any]) -> list[str]:
    """The tables that a run with this input refreshes; all, where its input is refused."""
    return list(given.get("tables", TABLES) if is_accepted(given) else TABLES)


def to_options(given: Mapping[str, Any]) -> list[str]:
    """The words after `demand run` that start a run with this input; unknown fields are left out."""
    words: list[str] = []
    for field, option in OPTIONS.items():
        value = given.get(field)
        if value is None or value is False:
            continue
        words.append(option)
        if value is not True:
            words.append(",".join(map(str, value)) if isinstance(value, list) else f"{value}")
    return words


def pasted(*words: str) -> str:
    """A command of `demand` that a shell takes as it is, whatever its words contain."""
    return shlex.join(["demand", *words])
