"""The transform function, compared with parsing alone, and with boto3's deserializer."""

from collections.abc import Callable, Iterator
from statistics import median

from benchmarks.environment import environment
from benchmarks.figures import TIMES, Figure, Size
from benchmarks.run_function import CHUNK_BYTES, scan_event
from benchmarks.steps import object_bytes, run_variants, us_per_item

_SLOW_SHARE = 5  # the deserializer converts only a share of the items, or it would take most of the time


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Measure CPU per item of each variant, in processes that have already converted a page and take turns."""
    progress("raw chunks to transform")
    with environment(items=size.transform_items) as servers:
        _, whole = servers.invoke("scan_segment", scan_event(chunkBytes=CHUNK_BYTES))
        _, part = servers.invoke("scan_segment", scan_event(chunkBytes=whole["bytes"] // _SLOW_SHARE))
        _, page = servers.invoke("scan_segment", scan_event(chunkBytes=1))
        tasks = dict.fromkeys(
            ("handler", "handler_isal", "deserializer", "floor", "reading_floor", "no_checks"), (page, whole)
        )
        tasks |= {"deserializer": (page, part), "floor": (whole, whole)}  # its pages must already be in memory
        runs = run_variants(servers, "transform", tasks, size.step_repetitions, progress)
        drift = run_variants(servers, "transform", {"drift": (page, whole)}, size.step_repetitions, progress)["drift"]
        compressed = object_bytes(servers, runs["handler"][0]["key"])
    cpu = us_per_item(runs)
    for name, value in cpu.items():
        yield Figure(f"transform_{name}_cpu_us_per_item", value, "us/item")
    yield Figure("transform_cpu_vs_parse_floor", cpu["handler"] / cpu["floor"], TIMES)
    yield Figure("transform_cpu_vs_parse_floor_isal", cpu["handler_isal"] / cpu["floor"], TIMES)
    yield Figure("transform_cpu_vs_reading_floor", cpu["handler"] / cpu["reading_floor"], TIMES)
    yield Figure("transform_cpu_vs_type_deserializer", cpu["deserializer"] / cpu["handler"], TIMES)
    yield Figure("drift_cpu_percent", median(done["percent"] for done in drift), "%", "with drift counted than without")
    yield Figure("transform_compressed_bytes_per_item", compressed / whole["items"], "B/item")
