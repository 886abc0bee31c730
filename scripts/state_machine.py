"""Generates the definitions of both state machines from the hand-written files next to them.

`machine.json` is the machine of a run without its branches, `branch.json` is the branch of every table, and
`repair.json` is the machine that follows up the end of a run. `retriers.json` defines each retrier once: a state's
`Retry` lists their names.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Table, camel_case

FOLDER = Path("statemachine")
DEFINITION = FOLDER / "demand_pipeline.asl.json"
REPAIR = FOLDER / "repair.asl.json"


# The load's event lists a run's chunks (limit: 256 KiB), and each chunk uses events of the history (limit: 25,000,
# retries included): twelve for its scan and transform, seven for its copy.
# This many segments, and this many more chunks, fit into both limits. The tables share them.
RUN_CHUNKS = 360
# Tables that wait for free functions use events of the history as well: three for each retry. So a run starts at most
# this many functions at the same time, whatever the number of tables.
RUN_FUNCTIONS = 160
# A run with more events is not redriven automatically: the largest run still fits into the rest.
REPAIR_EVENTS = 9_000
# IAM: a role's inline policies have at most 10,240 characters; the state machine's policies list each table and its
# function.
MAX_TABLES = 20


class TooManyTablesError(ValueError):
    """More tables are declared than one stack can have."""

    def __init__(self, tables: int) -> None:
        super().__init__(
            f"expected at most {MAX_TABLES} tables in a stack, got {tables}: declare the others in another stack"
        )


def share(tables: int = len(TABLES)) -> int:
    """Return the maximum number of segments of a table, and of its chunks beyond one per segment.

    Raises TooManyTablesError.
    """
    if tables > MAX_TABLES:
        raise TooManyTablesError(tables)
    return RUN_CHUNKS // tables


def functions(tables: int = len(TABLES)) -> int:
    """Return the maximum number of functions that run at the same time for a table."""
    return RUN_FUNCTIONS // tables


def render() -> str:
    """Return the whole definition as JSON, before the template's substitutions; raises TooManyTablesError."""
    machine = _read("machine.json", {"tables": _quoted(TABLES), "list of tables": _listed(list(TABLES))})
    machine["States"]["Refresh"]["Branches"] = [_branch(table) for table in TABLES.values()]
    return _text(machine)


def render_repair() -> str:
    """Return the definition of the machine that acts on the end of a run."""
    return _text(_read("repair.json", {"repair events": str(REPAIR_EVENTS)}))


def _branch(table: Table) -> dict[str, Any]:
    names = {"table": table.name, "Table": camel_case(table.name), "Source": camel_case(table.source)}
    return _read("branch.json", names)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join([f"'{name}'" for name in names])


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _read(file: str, values: dict[str, str]) -> dict[str, Any]:
    """Read a JSON file, and replace each `<name>` with its value."""
    text = (FOLDER / file).read_text(encoding="utf-8")
    for name, value in {**values, "share": str(share()), "functions": str(functions())}.items():
        text = text.replace(f"<{name}>", value)
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def _text(machine: dict[str, Any]) -> str:
    definition = _with_retriers(machine, json.loads((FOLDER / "retriers.json").read_text(encoding="utf-8")))
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def _with_retriers(node: Any, retriers: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_with_retriers(element, retriers) for element in node]
    if isinstance(node, dict):
        return {
            key: [retriers[name] for name in value] if key == "Retry" else _with_retriers(value, retriers)
            for key, value in node.items()
        }
    return node
