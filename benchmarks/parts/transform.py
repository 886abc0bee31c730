"""The transform function against parsing alone, and against boto3's deserializer."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.figures import Figure, Size
from benchmarks.process import interleaved
from benchmarks.report.numbers import TIMES
from benchmarks.stand import CHUNK_BYTES, Stand, stand
from benchmarks.ways.events import scan_event
from benchmarks.ways.run import Task, cpu_us_per_item, object_bytes, run_way

_SLOW_SHARE = 5  # the deserializer converts only a part of the items, or it would take all of the time
_NOTES = {
    "handler": "raw chunk from S3, staged chunk to S3, compression included",
    "deserializer": "the same rows by TypeDeserializer, from S3 and to S3 as well",
    "floor": "the same items parsed one by one and dropped, from pages in memory",
    "reading_floor": "the same, from the raw chunk in S3",
    "no_checks": "the same rows, nothing checked, from S3 and to S3: the limit of this way to do it",
}


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """CPU an item of each way, in processes that have converted a page before, in turns."""
    progress("raw chunks to transform")
    with stand(items=size.transform_items) as servers:
        whole = _raw_chunk(servers, CHUNK_BYTES)
        part = _raw_chunk(servers, whole["bytes"] // _SLOW_SHARE)
        page = _raw_chunk(servers, 1)
        tasks = {
            "handler": (page, whole),
            "deserializer": (page, part),
            # Its pages are to be in memory when the measured work begins.
            "floor": (whole, whole),
            "reading_floor": (page, whole),
            "no_checks": (page, whole),
        }
        ways = {way: partial(_run, servers, way, *tasks[way], progress) for way in tasks}
        runs = interleaved(ways, size.transform_repetitions)
        stored = object_bytes(servers, runs["handler"][0]["key"])
    cpu = {way: cpu_us_per_item(done) for way, done in runs.items()}
    for way, value in cpu.items():
        yield Figure(f"transform_{way}_cpu_us_per_item", value, "us/item", _NOTES[way])
    yield Figure("transform_cpu_vs_parse_floor", cpu["handler"] / cpu["floor"], TIMES, "after imports and a first page")
    yield Figure("transform_cpu_vs_reading_floor", cpu["handler"] / cpu["reading_floor"], TIMES)
    yield Figure("transform_cpu_vs_type_deserializer", cpu["deserializer"] / cpu["handler"], TIMES)
    yield Figure("transform_compressed_bytes_per_item", stored / whole["items"], "B/item")


def _raw_chunk(servers: Stand, chunk_bytes: int) -> Task:
    """A raw chunk of the table's first pages, made by the scan function."""
    _, answer = servers.invoke("scan_segment", scan_event(chunk_bytes))
    return answer


def _run(servers: Stand, way: str, warm: Task, work: Task, progress: Callable[[str], None]) -> dict[str, Any]:
    progress(f"transform by {way}")
    return run_way(servers, "transform", way, warm, work)
