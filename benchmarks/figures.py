"""Figures, their targets, the sizes of the measurements, and the file of results."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

FOLDER = Path(__file__).parent / "results"
LATEST = FOLDER / "latest.json"  # the source of docs/performance.md and docs/cost.md
QUICK = FOLDER / "quick.json"
TIMES = "\N{MULTIPLICATION SIGN}"  # the unit of a ratio


@dataclass(frozen=True)
class Target:
    """The value that a figure should reach."""

    value: float
    better: Literal["higher", "lower"]

    def is_met_by(self, value: float) -> bool:
        """Whether the value is at least as good as the target."""
        return value >= self.value if self.better == "higher" else value <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.better == 'higher' else '≤'} {number(self.value)}"


TARGETS = {
    "scan_cpu_vs_resource_scan": Target(35, "higher"),
    "transform_cpu_vs_parse_floor": Target(2.7, "lower"),
    "scan_cpu_vs_resource_scan_isal": Target(50, "higher"),
    "transform_cpu_vs_parse_floor_isal": Target(2.8, "lower"),
    "transform_cpu_vs_type_deserializer": Target(3, "higher"),
    "load_wall_vs_psql_copy": Target(0.75, "lower"),
    "load_client_cpu_us_per_row": Target(4, "lower"),
    "swap_load_wall_vs_psql_copy": Target(0.5, "lower"),
    "e2e_items_vs_best_peer": Target(10, "higher"),
    "e2e_items_vs_best_peer_isal": Target(12, "higher"),
    "e2e_items_vs_best_peer_50k": Target(8, "higher"),
    "e2e_cpu_vs_best_peer": Target(12, "higher"),
    "peak_rss_mb": Target(110, "lower"),
    "peak_rss_growth_percent": Target(5, "lower"),
    "reader_stall_ms": Target(50, "lower"),
    "swap_reader_stall_ms": Target(50, "lower"),
    "rollback_ms": Target(50, "lower"),
    "truncate_stall_vs_truncate_first": Target(0.5, "lower"),
    "scan_two_readers_vs_one": Target(1.7, "higher"),
    "drift_cpu_percent": Target(3, "lower"),
    "cost_1e9_fits": Target(1, "higher"),
}


@dataclass(frozen=True)
class Figure:
    """One measured number with four significant digits: more would be noise."""

    name: str
    value: float
    unit: str
    note: str = ""  # information that is necessary to interpret the number

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(f"{self.value:.4g}"))

    @property
    def target(self) -> Target | None:
        """The target of the figure's name, if it has one."""
        return TARGETS.get(self.name)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else self.target.is_met_by(self.value)

    def to_json(self) -> dict[str, Any]:
        """Return the figure's entry in the file, under its name."""
        document = {"value": self.value, "unit": self.unit, "target": self.target and self.target.value}
        return document | {"met": self.met} | ({"note": self.note} if self.note else {})

    def __str__(self) -> str:
        if self.unit == "share":
            return f"{number(100 * self.value)} %"
        return f"{number(self.value)}{'' if self.unit == TIMES else ' '}{self.unit.replace('us/', 'µs/')}".rstrip()


def number(value: float) -> str:
    """Format a number with about three significant digits: 22,900, 44.1, 0.85; whole numbers below 1,000 stay whole."""
    size = abs(value)
    if value == round(value) or size >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    if size >= 10:  # noqa: PLR2004
        return f"{value:,.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def _machine() -> dict[str, Any]:
    """Return the properties that the figures depend on, without anything that identifies the machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 2**30, 1),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
    }


@dataclass
class Results:
    """The figures of one machine, in the order of measurement."""

    machine: dict[str, Any] = field(default_factory=_machine)
    date: str = field(default_factory=lambda: date.today().isoformat())  # noqa: DTZ011 - the local day
    figures: dict[str, Figure] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path = LATEST) -> Self:
        """Read a file of results; raises FileNotFoundError."""
        document = json.loads(path.read_text(encoding="utf-8"))
        figures = {
            name: Figure(name, entry["value"], entry["unit"], entry.get("note", ""))
            for name, entry in document["figures"].items()
        }
        return cls(document["machine"], document["date"], figures)

    def merge(self, figures: Iterable[Figure]) -> None:
        """Add figures; a new value of an existing figure keeps its position."""
        self.figures.update((figure.name, figure) for figure in figures)

    def write(self, path: Path = LATEST) -> None:
        """Write the file atomically."""
        figures = {name: figure.to_json() for name, figure in self.figures.items()}
        document = {"machine": self.machine, "date": self.date, "figures": figures}
        path.parent.mkdir(exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(path)


@dataclass(frozen=True)
class Size:
    """The sizes of the measurements: items, rows, and repetitions, of which the median counts."""

    scan_items: int
    transform_items: int
    load_rows: int
    end_to_end_items: int
    end_to_end_large_items: int
    stall_rows: tuple[int, ...]
    growth_items: tuple[int, ...]
    step_repetitions: int  # scan and transform
    load_repetitions: int
    end_to_end_repetitions: int
    cold_start_repetitions: int


# The published figures: the part end to end alone takes 23 minutes on two cores.
FULL_SIZE = Size(
    300_000, 50_000, 1_000_000, 50_000, 300_000, (200_000, 1_000_000), (10_000, 100_000, 1_000_000), 5, 3, 3, 9
)
# A check that everything works, in less than 4 minutes.
QUICK_SIZE = Size(30_000, 5_000, 50_000, 5_000, 10_000, (20_000,), (1_000, 10_000), 3, 1, 1, 3)
