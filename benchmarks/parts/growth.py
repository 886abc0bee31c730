"""The cost per item of larger and larger tables, and the growth of memory."""

from collections.abc import Callable, Iterator

from benchmarks.environment import Environment, environment
from benchmarks.figures import Figure, Size
from benchmarks.loading import WHOLE, load
from benchmarks.run_function import scan_event, staged_chunk, transform_event
from benchmarks.usage import Usage

_REPETITIONS = 3


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Measure time per item and peak memory of each function, in a separate process, start-up included."""
    peaks: dict[str, list[float]] = {}
    for items in size.growth_items:
        progress(f"{items:,} items")
        with environment(items=items, s3_tls=True) as servers:
            runs = [dict(_steps(servers)) for _ in range(_REPETITIONS)]
        for step in runs[0]:
            usages = [run[step] for run in runs]
            # Fragmentation differs by some MB between processes: the maximum counts.
            peak = max(usage.peak_mb for usage in usages)
            peaks.setdefault(step, []).append(peak)
            yield Figure(f"growth_{step}_us_per_item_{items}", 1e6 * Usage.median(usages).wall / items, "us/item")
            yield Figure(f"growth_{step}_rss_mb_{items}", peak, "MB")
    before, last = size.growth_items[-2:]
    peak, highest = max((values[-1], step) for step, values in peaks.items())
    yield Figure("peak_rss_mb", peak, "MB", f"{highest}, the maximum of the three, at {last:,} items")
    growth, steepest = max((100 * (values[-1] / values[-2] - 1), step) for step, values in peaks.items())
    note = f"{steepest}, the maximum of the three, from {before:,} to {last:,} items"
    yield Figure("peak_rss_growth_percent", growth, "%", note)


def _steps(servers: Environment) -> Iterator[tuple[str, Usage]]:
    """Scan, transform and load the whole table as one chunk, so that chunks do not limit memory."""
    usage, scanned = servers.invoke("scan_segment", scan_event(chunkBytes=WHOLE))
    yield "scan", usage
    usage, staged = servers.invoke("transform", transform_event(scanned))
    yield "transform", usage
    yield "load", load(servers, [staged_chunk(scanned, staged)], "truncate")
