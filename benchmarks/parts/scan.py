"""The scan function, compared with other ways to read the same pages."""

from collections.abc import Callable, Iterator

from benchmarks.environment import environment
from benchmarks.figures import TIMES, Figure, Size
from benchmarks.items import STORED_BYTES
from benchmarks.steps import object_bytes, run_variants, us_per_item

_SLOW = ("resource", "client")  # they read only a share of the pages, or they would take most of the time
_SLOW_SHARE, _ITEMS_PER_PAGE = 15, 1100
_LATENCY_MS = 20  # per page, to measure waiting
_WAITING_SHARE = 3
_VARIANTS = ("handler", "handler_isal", "resource", "client", "floor", "plain_loop")


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Measure CPU per item of each variant, in processes that have already read a page and take turns."""
    items = size.scan_items
    share = max(1, items // _ITEMS_PER_PAGE // _SLOW_SHARE)
    tasks = {name: ({"pages": 1}, {"pages": share if name in _SLOW else None}) for name in _VARIANTS}
    with environment(items=items) as servers:
        runs = run_variants(servers, "scan", tasks, size.step_repetitions, progress)
        chunks = runs["handler"][0]["chunks"]
        compressed = sum(object_bytes(servers, chunk["key"]) for chunk in chunks)
    cpu = us_per_item(runs)
    for name, value in cpu.items():
        yield Figure(f"scan_{name}_cpu_us_per_item", value, "us/item")
    yield Figure("scan_cpu_vs_resource_scan", cpu["resource"] / cpu["handler"], TIMES)
    yield Figure("scan_cpu_vs_resource_scan_isal", cpu["resource"] / cpu["handler_isal"], TIMES)
    yield Figure("scan_cpu_vs_floor", cpu["handler"] / cpu["floor"], TIMES)
    yield Figure("scan_stored_bytes_per_item", STORED_BYTES, "B/item")
    yield Figure("scan_wire_bytes_per_item", sum(chunk["bytes"] for chunk in chunks) / items, "B/item")
    yield Figure("scan_compressed_bytes_per_item", compressed / items, "B/item")
    yield from _two_readers(size, progress)


def _two_readers(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    tasks = {name: ({"pages": 1}, {"pages": None}) for name in ("handler", "one_reader")}
    with environment(items=size.scan_items // _WAITING_SHARE, latency_ms=_LATENCY_MS) as servers:
        wall = us_per_item(run_variants(servers, "scan", tasks, size.step_repetitions, progress), "wall")
    note = f"at {_LATENCY_MS} ms per page"
    yield Figure("scan_two_readers_vs_one", wall["one_reader"] / wall["handler"], TIMES, note)
    yield Figure("scan_one_reader_wall_us_per_item", wall["one_reader"], "us/item", note)
    yield Figure("scan_two_readers_wall_us_per_item", wall["handler"], "us/item", note)
