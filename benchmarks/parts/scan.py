"""The scan function against other ways to read the same pages."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

from benchmarks.figures import Figure, Size
from benchmarks.process import interleaved
from benchmarks.report.numbers import TIMES
from benchmarks.stand import Stand, stand
from benchmarks.ways.run import cpu_us_per_item, object_bytes, run_way

_SLOW_SHARE = 15  # boto3 reads only a part of the pages, or it would take all of the time
_ITEMS_A_PAGE = 1100
_LATENCY_MS = 20  # of a page, where waiting is what counts
_WAITING_SHARE = 3
_NOTES = {
    "handler": "checksum, compression and upload to S3 included",
    "resource": "items dropped",
    "client": "items dropped",
    "floor": "signed by hand, checksum verified, bytes dropped",
    "plain_loop": "by boto3, not parsed, checked, compressed, put to S3 at once: the limit of this way to do it",
}


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """CPU an item of each way, in processes that have done a page before, in turns."""
    pages = max(1, size.scan_items // _ITEMS_A_PAGE // _SLOW_SHARE)
    with stand(items=size.scan_items) as servers:
        ways = {
            way: partial(_run, servers, way, pages if way in ("resource", "client") else None, progress)
            for way in _NOTES
        }
        runs = interleaved(ways, size.scan_repetitions)
        chunks = runs["handler"][0]["chunks"]
        stored = sum(object_bytes(servers, chunk["key"]) for chunk in chunks)
    cpu = {way: cpu_us_per_item(done) for way, done in runs.items()}
    for way, value in cpu.items():
        yield Figure(f"scan_{way}_cpu_us_per_item", value, "us/item", _NOTES[way])
    yield Figure(
        "scan_cpu_vs_resource_scan",
        cpu["resource"] / cpu["handler"],
        TIMES,
        "CPU of boto3's Table.scan over that of the whole scan function, after imports and a first page",
    )
    yield Figure("scan_cpu_vs_floor", cpu["handler"] / cpu["floor"], TIMES)
    yield Figure("scan_wire_bytes_per_item", sum(chunk["bytes"] for chunk in chunks) / size.scan_items, "B/item")
    yield Figure("scan_compressed_bytes_per_item", stored / size.scan_items, "B/item")

    yield from _two_readers(size, progress)


def _two_readers(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    with stand(items=size.scan_items // _WAITING_SHARE, latency_ms=_LATENCY_MS) as servers:
        ways = {way: partial(_run, servers, way, None, progress) for way in ("handler", "one_reader")}
        runs = interleaved(ways, size.scan_repetitions)
    wall = {way: median(1e6 * done["wall"] / done["items"] for done in each) for way, each in runs.items()}
    note = f"time of one reader over that of two, in one function, at {_LATENCY_MS} ms a page"
    yield Figure("scan_two_readers_vs_one", wall["one_reader"] / wall["handler"], TIMES, note)
    yield Figure("scan_one_reader_wall_us_per_item", wall["one_reader"], "us/item", f"at {_LATENCY_MS} ms a page")
    yield Figure("scan_two_readers_wall_us_per_item", wall["handler"], "us/item", f"at {_LATENCY_MS} ms a page")


def _run(servers: Stand, way: str, pages: int | None, progress: Callable[[str], None]) -> dict[str, Any]:
    progress(f"scan by {way}")
    return run_way(servers, "scan", way, {"pages": 1}, {"pages": pages})
