"""The tables of docs/cost.md, and the file of measured figures that the model reads."""

import json

from benchmarks.figures import Results, number
from demand.cost import PRICES, Measured, Run, TableRun
from scripts.tables import markdown

_RUN_ITEMS = (1_000_000, 100_000_000, 1_000_000_000)
_FIGURES = {
    "scan_us": "scan_handler_cpu_us_per_item",
    "transform_us": "transform_handler_cpu_us_per_item",
    "load_us": "load_truncate_us_per_row",
    "stored_bytes": "scan_stored_bytes_per_item",
    "response_bytes": "scan_wire_bytes_per_item",
    "raw_bytes": "scan_compressed_bytes_per_item",
    "staged_bytes": "transform_compressed_bytes_per_item",
}
_COLD_STARTS = ("cold_scan_segment_import_ms", "cold_transform_import_ms")
_CENT = 0.01
_HOUR, _MINUTE = 3600, 60


def measured_file(results: Results | None = None) -> str:
    """The content of demand/cost/measured.json; raises KeyError for a figure that was not measured."""
    results = results or Results.load()
    values = {name: results.figures[figure].value for name, figure in _FIGURES.items()}
    values["cold_start_ms"] = max(results.figures[figure].value for figure in _COLD_STARTS)
    return json.dumps({"date": results.date, **values}, indent=2) + "\n"


def basis() -> str:
    """Where the figures come from."""
    measured = Measured.load()
    return (
        f"CPU and sizes are those of the benchmark of {measured.date}: items of {number(measured.stored_bytes)} bytes "
        f"each,\nas DynamoDB counts them. Prices are list prices of {PRICES.date} in {PRICES.region}."
    )


def costs() -> str:
    """A column per size: each cost, the total and the time."""
    runs = _runs()
    rows = [
        ("table", *(f"{number(run.table_bytes / 1e9)} GB" for run in runs)),
        ("segments, chunks", *(f"{run.segments}, {run.chunks}" for run in runs)),
        *((name, *(dollars(run.dollars[name]) for run in runs)) for name in runs[0].dollars),
        ("**total**", *(f"**{dollars(run.total)}**" for run in runs)),
        ("per million items", *(dollars(run.total / run.items * 1e6) for run in runs)),
        ("time", *(duration(run.seconds) for run in runs)),
    ]
    return markdown(_head(runs), rows)


def limits() -> str:
    """A column per size: how much of each limit a run uses; what is above all of it is in bold."""
    runs = _runs()
    return markdown(_head(runs), [(name, *(_share(run.limits[name]) for run in runs)) for name in runs[0].limits])


def dollars(amount: float) -> str:
    """Cents from a dollar on, two significant digits below."""
    if amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:#.2g}" if amount >= _CENT / 100 else "under $0.0001"


def duration(seconds: float) -> str:
    """In seconds, minutes or hours."""
    if seconds >= 2 * _HOUR:
        return f"{number(seconds / _HOUR)} hours"
    return f"{seconds / _MINUTE:.0f} minutes" if seconds >= 2 * _MINUTE else f"{seconds:.0f} seconds"


def _runs() -> list[Run]:
    measured = Measured.load()
    return [Run((TableRun(items, items * measured.stored_bytes, measured),)) for items in _RUN_ITEMS]


def _head(runs: list[Run]) -> tuple[str, ...]:
    return ("", *(f"{run.items:,} items" for run in runs))


def _share(share: float) -> str:
    text = f"{100 * share:,.0f} %" if share >= _CENT else "under 1 %"
    return f"**{text}**" if share > 1 else text
