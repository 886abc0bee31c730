"""The cost model's input from the figures, and the check that the largest run fits."""

from benchmarks.figures import Figure, Results
from demand.cost import Measured, Run, Settings
from demand_pipeline.contracts.loading import Strategy

_LARGEST_ITEMS = 1_000_000_000
_FIGURES = {
    "scan_us": "scan_handler_cpu_us_per_item",
    "transform_us": "transform_handler_cpu_us_per_item",
    "copy_us": "load_truncate_copying_us_per_row",
    "truncate_us": "load_truncate_publish_us_per_row",
    "merge_us": "load_merge_publish_us_per_row",
    "swap_us": "load_swap_publish_us_per_row",
    "stored_bytes": "scan_stored_bytes_per_item",
    "response_bytes": "scan_wire_bytes_per_item",
    "raw_bytes": "scan_compressed_bytes_per_item",
    "staged_bytes": "transform_compressed_bytes_per_item",
    "heap_bytes": "load_heap_bytes_per_row",
    "index_bytes": "load_index_bytes_per_row",
}
_COLD_STARTS = ("cold_scan_segment_import_ms", "cold_transform_import_ms")


def measured(results: Results) -> Measured:
    """Return the model's measured values; raises KeyError for a figure that was not measured."""
    values = {name: results.figures[figure].value for name, figure in _FIGURES.items()}
    values["cold_start_ms"] = max(results.figures[figure].value for figure in _COLD_STARTS)
    return Measured(date=results.date, **values)


def largest_run(known: Measured) -> Run:
    """Return the largest run, with the settings that it needs."""
    return Run.of_items(_LARGEST_ITEMS, known, Settings(load_strategy=Strategy.SWAP))


def fits(results: Results) -> Figure:
    """Return whether the largest run stays within all limits; raises KeyError for a figure that was not measured."""
    name, share = largest_run(measured(results)).binding
    return Figure("cost_1e9_fits", int(share <= 1), "", f"1 is yes; the closest limit is {name}: {share:.0%}")
