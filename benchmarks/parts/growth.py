"""What ever larger tables cost an item, and whether memory stays where it is."""

from collections.abc import Callable, Iterator

from benchmarks.figures import Figure, Size
from benchmarks.process import Usage
from benchmarks.run_function import load_event, new_run
from benchmarks.stand import Stand, stand
from benchmarks.ways.events import Event, scan_event, transform_event
from benchmarks.workload import CASES

_ALL = 1 << 50  # bytes of a chunk: the whole table is one, so that nothing is flat by being cut


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Time an item and peak memory of each function, in a process of its own, start-up included."""
    peaks: dict[str, list[float]] = {}
    for items in size.growth_items:
        progress(f"{items:,} items")
        with stand(items=items) as servers:
            for stage, usage in _stages(servers, progress):
                peaks.setdefault(stage, []).append(usage.peak_mb)
                yield Figure(f"growth_{stage}_us_per_item_{items}", 1e6 * usage.wall / items, "us/item")
                yield Figure(f"growth_{stage}_rss_mb_{items}", usage.peak_mb, "MB")
    before, last = size.growth_items[-2:]
    highest = max(peaks, key=lambda stage: peaks[stage][-1])
    grown = {stage: 100 * (peak[-1] / peak[-2] - 1) for stage, peak in peaks.items()}
    steepest = max(grown, key=lambda stage: grown[stage])
    yield Figure("peak_rss_mb", peaks[highest][-1], "MB", f"{highest}, the most of the three, at {last:,} items")
    yield Figure(
        "peak_rss_growth_percent",
        grown[steepest],
        "%",
        f"{steepest}, the most of the three, from {before:,} to {last:,} items",
    )


def _stages(servers: Stand, progress: Callable[[str], None]) -> Iterator[tuple[str, Usage]]:
    """Scan, transform and load one chunk that holds the whole table."""
    progress("scan")
    usage, scanned = servers.invoke("scan_segment", scan_event(_ALL))
    yield "scan", usage
    progress("transform")
    usage, staged = servers.invoke("transform", transform_event(scanned))
    yield "transform", usage
    progress("load")
    usage, _ = servers.invoke(
        "load_warehouse", load_event(new_run(), CASES.name, [[_chunk(scanned, staged)]], "truncate")
    )
    yield "load", usage


def _chunk(scanned: Event, staged: Event) -> Event:
    """A chunk's record, as the state machine puts it together."""
    counts = {name: value for name, value in staged.items() if name != "nextPage"}
    return counts | {"readUnits": scanned["readUnits"], "bytes": scanned["bytes"]}
