"""What the parts measure: figures, their targets, the sizes they are measured at, and the file they are kept in."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

FOLDER = Path(__file__).parent / "results"
LATEST = FOLDER / "latest.json"  # what docs/performance.md is made from
QUICK = FOLDER / "quick.json"


@dataclass(frozen=True)
class Target:
    """What a figure should reach."""

    value: float
    better: Literal["higher", "lower"]

    def is_met_by(self, value: float) -> bool:
        """Whether the value is at least as good."""
        return value >= self.value if self.better == "higher" else value <= self.value


# The one place where targets stand: the parts only measure.
TARGETS = {
    "scan_cpu_vs_resource_scan": Target(35, "higher"),
    "transform_cpu_vs_parse_floor": Target(2.7, "lower"),
    "transform_cpu_vs_type_deserializer": Target(3, "higher"),
    "load_wall_vs_psql_copy": Target(1.0, "lower"),
    "load_client_cpu_us_per_row": Target(4, "lower"),
    "e2e_items_vs_best_peer": Target(12, "higher"),
    "e2e_cpu_vs_best_peer": Target(12, "higher"),
    "peak_rss_mb": Target(110, "lower"),
    "peak_rss_growth_percent": Target(5, "lower"),
    "reader_stall_ms": Target(50, "lower"),
    "truncate_stall_vs_truncate_first": Target(0.5, "lower"),
    "scan_two_readers_vs_one": Target(1.7, "higher"),
}


@dataclass(frozen=True)
class Figure:
    """One measured number; a ratio's is report.numbers.TIMES."""

    name: str
    value: float
    unit: str
    note: str = ""  # what a reader must know beside the number

    @property
    def target(self) -> Target | None:
        """The target of the figure's name, if it has one."""
        return TARGETS.get(self.name)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else self.target.is_met_by(_rounded(self.value))

    def to_json(self) -> dict[str, Any]:
        """Return what stands under the figure's name in the file."""
        target = self.target
        document = {"value": _rounded(self.value), "unit": self.unit, "target": target and target.value}
        return document | {"met": self.met} | ({"note": self.note} if self.note else {})


def _machine() -> dict[str, Any]:
    """What the figures depend on; nothing that names the machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    model = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "processor": model[0] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 2**30, 1),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


@dataclass
class Results:
    """The figures of one machine, in the order they were measured."""

    machine: dict[str, Any] = field(default_factory=_machine)
    date: str = field(default_factory=lambda: date.today().isoformat())  # noqa: DTZ011 - the day of who measures
    figures: dict[str, Figure] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path = LATEST) -> Self:
        """Read a file of results; FileNotFoundError when there is none."""
        document = json.loads(path.read_text())
        figures = {
            name: Figure(name, float(entry["value"]), entry["unit"], entry.get("note", ""))
            for name, entry in document["figures"].items()
        }
        return cls(document["machine"], document["date"], figures)

    def merge(self, figures: Iterable[Figure]) -> None:
        """Add figures; one measured before is replaced and keeps its place."""
        self.figures.update((figure.name, figure) for figure in figures)

    def write(self, path: Path = LATEST) -> None:
        """Write the file, whole or not at all."""
        document = {
            "machine": self.machine,
            "date": self.date,
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
        }
        path.parent.mkdir(exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        draft.replace(path)


@dataclass(frozen=True)
class Size:
    """How much each part measures: items, rows, and repetitions of which the median counts."""

    quick: bool
    scan_items: int
    scan_repetitions: int
    transform_items: int
    transform_repetitions: int
    load_rows: int
    load_repetitions: int
    end_to_end_items: int
    end_to_end_repetitions: int
    stall_rows: tuple[int, ...]
    growth_items: tuple[int, ...]
    cold_start_repetitions: int

    @classmethod
    def full(cls) -> Self:
        """The sizes of the published figures: all parts in less than 25 minutes on two cores."""
        return cls(
            quick=False,
            scan_items=300_000,
            scan_repetitions=5,
            transform_items=50_000,
            transform_repetitions=5,
            load_rows=1_000_000,
            load_repetitions=3,
            end_to_end_items=50_000,
            end_to_end_repetitions=3,
            stall_rows=(200_000, 1_000_000),
            growth_items=(10_000, 100_000, 1_000_000),
            cold_start_repetitions=9,
        )

    @classmethod
    def small(cls) -> Self:
        """Whether everything still works, and roughly how fast: less than 4 minutes."""
        return cls(
            quick=True,
            scan_items=30_000,
            scan_repetitions=3,
            transform_items=5_000,
            transform_repetitions=3,
            load_rows=50_000,
            load_repetitions=1,
            end_to_end_items=5_000,
            end_to_end_repetitions=1,
            stall_rows=(20_000,),
            growth_items=(1_000, 10_000),
            cold_start_repetitions=3,
        )


def _rounded(value: float) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{value:.4g}")
