"""The state machine's definition, generated from the three files next to it that are written by hand.

`machine.json` is the machine without its branches, `branch.json` is the branch of every table, and `retriers.json`
names each retrier once: a state's `Retry` lists their names.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Table, camel_case

FOLDER = Path("statemachine")
DEFINITION = FOLDER / "demand_pipeline.asl.json"


# The load's event lists a run's chunks (256 KiB), and each costs events of the history (25,000, retries included):
# twelve for its scan and transform, seven for its copy.
# This many segments, and this many more chunks, fit. The tables share them.
RUN_CHUNKS = 360
# IAM: a role's inline policies have at most 10,240 characters; the state machine's name each table and its function.
MAX_TABLES = 20


class TooManyTablesError(ValueError):
    """More tables are declared than one stack can have."""

    def __init__(self, tables: int) -> None:
        super().__init__(
            f"expected at most {MAX_TABLES} tables in a stack, got {tables}: declare the others in another"
        )


def share() -> int:
    """The maximum number of segments of a table, and of its chunks beyond one per segment.

    Raises TooManyTablesError.
    """
    if len(TABLES) > MAX_TABLES:
        raise TooManyTablesError(len(TABLES))
    return RUN_CHUNKS // len(TABLES)


def render() -> str:
    """The whole definition as JSON, before the template's substitutions; raises TooManyTablesError."""
    machine = _read("machine.json", {"tables": _quoted(TABLES), "list of tables": _listed(list(TABLES))})
    machine["States"]["Refresh"]["Branches"] = [_branch(table) for table in TABLES.values()]
    definition = _with_retriers(machine, json.loads((FOLDER / "retriers.json").read_text(encoding="utf-8")))
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def _branch(table: Table) -> dict[str, Any]:
    names = {"table": table.name, "Table": camel_case(table.name), "Source": camel_case(table.source)}
    return _read("branch.json", names)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join([f"'{name}'" for name in names])


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _read(file: str, values: dict[str, str]) -> dict[str, Any]:
    """A file's JSON, with each `<name>` replaced by its value."""
    text = (FOLDER / file).read_text(encoding="utf-8")
    for name, value in {**values, "share": str(share())}.items():
        text = text.replace(f"<{name}>", value)
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def _with_retriers(node: Any, retriers: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_with_retriers(element, retriers) for element in node]
    if isinstance(node, dict):
        return {
            key: [retriers[name] for name in value] if key == "Retry" else _with_retriers(value, retriers)
            for key, value in node.items()
        }
    return node
