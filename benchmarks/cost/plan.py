"""How the state machine cuts a run: its own expressions, evaluated with the template's own defaults."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonata
from cfnlint.decode import cfn_yaml  # type: ignore[import-untyped]  # it ships no types

_ROOT = Path(__file__).parents[2]


@cache
def template() -> dict[str, Any]:
    """The template, its short forms spelled out."""
    document: dict[str, Any] = cfn_yaml.load(str(_ROOT / "template.yaml"))
    return document


def parameter(name: str) -> int:
    """The default of a parameter of the template that is a whole number."""
    return int(template()["Parameters"][name]["Default"])


def function_setting(name: str) -> Any:
    """What the template gives to every function: MemorySize in MB, Timeout in seconds."""
    return template()["Globals"]["Function"][name]


@cache
def _machine() -> dict[str, Any]:
    states: dict[str, Any] = json.loads((_ROOT / "statemachine/demand_pipeline.asl.json").read_text())["States"]
    return states


def _branch() -> dict[str, Any]:
    """The first branch: the others have the same shape."""
    states: dict[str, Any] = _machine()["Refresh"]["Branches"][0]["States"]
    return states


def _map() -> dict[str, Any]:
    (state,) = (state for state in _branch().values() if state["Type"] == "Map")
    found: dict[str, Any] = state
    return found


def concurrency() -> int:
    """Segments of a table that run at once."""
    return int(_evaluate(_map()["MaxConcurrency"]))


def functions_at_once() -> int:
    """Functions that a run of all tables uses at once."""
    return concurrency() * len(_machine()["Refresh"]["Branches"])


@dataclass(frozen=True)
class Plan:
    """Into how many segments a table is cut, and after how many bytes a chunk ends."""

    segments: int
    chunk_bytes: int

    @classmethod
    def of(cls, table_bytes: float) -> "Plan":
        """The state machine's plan for a table of this size."""
        (describe,) = (state for name, state in _branch().items() if name.startswith("Describe"))
        known = {
            "states": {"result": {"Table": {"TableSizeBytes": round(table_bytes)}}},
            "settings": {"maxItems": None},
            "segmentLimit": _evaluate(_machine()["PrepareRun"]["Assign"]["segmentLimit"]),
        }
        return cls(*(int(_evaluate(describe["Assign"][name], known)) for name in ("segments", "chunkBytes")))


def _evaluate(expression: str, known: dict[str, Any] | None = None) -> Any:
    for name, declared in template()["Parameters"].items():
        expression = expression.replace(f"${{{name}}}", str(declared.get("Default")))
    compiled = jsonata.Jsonata(expression.removeprefix("{%").removesuffix("%}"))
    for name, value in (known or {}).items():
        compiled.assign(name, value)
    return compiled.evaluate(None)


def transitions(segments: int, chunks: int) -> int:
    """State transitions of a run of one table: states entered, which is what Standard workflows are billed by."""
    chunk, segment = len(list(_loop(left=False))), len(list(_loop(left=True)))
    return _outer_states() + segments * segment + chunks * chunk


def events(segments: int, chunks: int) -> int:
    """Events in the history of a run of one table: five of a Task, two of a Choice, Pass or Succeed, four of a Map."""
    costs = {"Task": 5, "Choice": 2, "Pass": 2, "Succeed": 2, "Map": 4, "Parallel": 4}
    branch = sum(costs[state["Type"]] for state in _branch().values() if state["Type"] != "Succeed")
    skipped = _skipped_branches() * (costs["Choice"] + costs["Succeed"])
    outer = (
        2 + costs["Choice"] + costs["Pass"] + costs["Parallel"] + costs["Task"] + branch + skipped
    )  # 2: the execution's own
    chunk = sum(costs[kind] for kind in _loop(left=False))
    segment = 2 + sum(costs[kind] for kind in _loop(left=True))  # 2: the iteration's own
    return outer + segments * segment + chunks * chunk


def _outer_states() -> int:
    """Four outside the branches, those of the branch that works, and two of each branch that skips its table."""
    works = [state for state in _branch().values() if state["Type"] != "Succeed"]
    return 4 + len(works) + 2 * _skipped_branches()


def _skipped_branches() -> int:
    """The branches of a run of one table that skip theirs."""
    return len(_machine()["Refresh"]["Branches"]) - 1


def _loop(*, left: bool) -> Iterator[str]:
    """The types of the states that every chunk goes through, or of those that end a segment (`left`)."""
    for state in _map()["ItemProcessor"]["States"].values():
        if (state["Type"] == "Succeed") == left:
            yield state["Type"]
