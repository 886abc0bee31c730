"""Imports between the rooms of the library: each knows only the rooms below it, and one of them knows the driver."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.queries import LIBRARY

# The rooms of the load, and those below each. All may use the course's rules, but not the course itself.
BELOW = {
    "warehouse": set(),
    "copy": {"warehouse"},
    "in_place": {"warehouse"},
    "swap": {"warehouse", "copy"},
}
LOAD = "demand_pipeline.load"


def imports(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            yield from [f"{node.module}.{name.name}" for name in node.names]


def test_only_the_package_of_sessions_knows_the_driver() -> None:
    folders = (LIBRARY, *map(Path, ("demand", "functions", "local", "scripts", "statemachine")))
    found = {
        module.relative_to(LIBRARY) if module.is_relative_to(LIBRARY) else module
        for folder in folders
        for module in folder.rglob("*.py")
        if {name.split(".")[0] for name in imports(module)} & {"pg8000", "scramp"}
    }
    assert found == {Path("postgres", name) for name in ("connection.py", "driver.py", "frames.py")}


def test_every_folder_of_the_load_is_a_room() -> None:
    assert {folder.name for folder in (LIBRARY / "load").iterdir() if (folder / "__init__.py").exists()} == BELOW.keys()


@pytest.mark.parametrize("room", BELOW)
def test_a_room_of_the_load_imports_no_room_above_it(room: str) -> None:
    above = {f"{LOAD}.{other}" for other in (*BELOW.keys() - BELOW[room] - {room}, "transaction")}
    found = [
        f"{module.name}: {name}"
        for module in (LIBRARY / "load" / room).glob("*.py")
        for name in imports(module)
        if any(f"{name}.".startswith(f"{each}.") for each in above)
    ]
    assert found == []
