"""The state machine's definition, from the three files that are written by hand next to it.

`machine.json` is the machine without its branches, `branch.json` is the one branch that every table gets, and
`retriers.json` names each retrier once: a state's `Retry` lists their names.
"""

import json
from pathlib import Path
from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Table, camel_case

FOLDER = Path("statemachine")
DEFINITION = FOLDER / "demand_pipeline.asl.json"


def render() -> str:
    """The whole definition, as JSON with the template's substitutions still to be made."""
    names = list(TABLES)
    machine = _read(
        "machine.json",
        {
            "tables": ", ".join(f"'{name}'" for name in names),
            "list of tables": f"{', '.join(names[:-1])} and {names[-1]}",
        },
    )
    machine["States"]["Refresh"]["Branches"] = [_branch(table) for table in TABLES.values()]
    definition = _with_retriers(machine, json.loads((FOLDER / "retriers.json").read_text(encoding="utf-8")))
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def _branch(table: Table) -> dict[str, Any]:
    return _read(
        "branch.json", {"table": table.name, "Table": camel_case(table.name), "Source": camel_case(table.source)}
    )


def _read(file: str, values: dict[str, str]) -> dict[str, Any]:
    """A file's JSON, with each `<name>` replaced by its value."""
    text = (FOLDER / file).read_text(encoding="utf-8")
    for name, value in values.items():
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
