"""What the page says of each part, and which figures, tables and charts belong to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report.pictures import BarChart, Grid, LineChart


@dataclass(frozen=True)
class Section:
    """One part of the benchmark: what was measured, how to read it, and the names of its figures."""

    title: str
    text: str
    figures: str  # a pattern of the names that are not in a grid
    grids: Sequence[Grid] = ()
    charts: Sequence[BarChart | LineChart] = ()


END_TO_END = Section(
    "End to end",
    "The same items, from a DynamoDB endpoint into an indexed PostgreSQL table, by this project and by what people "
    "use for it today. This project stages twice through S3 on the way, the others do not, and reads two segments at "
    "once, as its state machine would. Whole processes are measured, start-up included, and all contestants take turns "
    "within one run. Each peer is set up as its documentation advises, and what arrives is checked: rows, types, "
    "numbers of 38 digits, attributes that no column reads. A fast wrong answer is none, so read the speed beside the "
    "column *kept*.\n\n"
    "The servers' own CPU and memory are reported apart, for everybody alike: they are the same servers.",
    "e2e_.*",
    (
        Grid(
            "contestant",
            "e2e_(?P<row>[a-z0-9]+)_(?P<column>items_per_s|cpu_us_per_item|peak_rss_mb|kept)",
            {"items_per_s": "items/s", "cpu_us_per_item": "CPU, µs/item", "peak_rss_mb": "peak memory, MB"},
        ),
        Grid(
            "servers during",
            "e2e_(?P<row>[a-z0-9]+)_(?P<column>(dynamodb|s3|postgres)_(cpu_us_per_item|rss_mb))",
            {
                f"{slug}_{what}": f"{name} {heading}"
                for slug, name in (("dynamodb", "DynamoDB"), ("s3", "S3"), ("postgres", "PostgreSQL"))
                for what, heading in (("cpu_us_per_item", "CPU, µs/item"), ("rss_mb", "memory, MB"))
            },
        ),
    ),
    (
        BarChart(
            "e2e-items",
            "End to end: items a second",
            "items a second",
            "more is better",
            "e2e_(?P<row>[a-z0-9]+)_items_per_s",
            biggest_first=True,
        ),
        BarChart(
            "e2e-cpu",
            "End to end: CPU an item",
            "µs of CPU an item",
            "less is better",
            "e2e_(?P<row>[a-z0-9]+)_cpu_us_per_item",
            biggest_first=False,
        ),
    ),
)

SCAN = Section(
    "Scan",
    "One scan function against other ways to read the same pages from the same endpoint. This project checks each "
    "page's checksum, compresses it and uploads it to S3; all of that is counted. boto3's ways only read, and drop "
    "the items. The floor is a hand-signed HTTP client that reads the pages, checks them and drops the bytes: "
    "nothing can read for less. CPU is that of the process after its imports.",
    "scan_.*",
    (Grid("way", "scan_(?P<row>.+)_(?P<column>cpu_us_per_item)", {"cpu_us_per_item": "CPU, µs/item"}),),
    (
        BarChart(
            "scan-cpu",
            "Scan: CPU an item",
            "µs of CPU an item",
            "less is better",
            "scan_(?P<row>.+)_cpu_us_per_item",
            biggest_first=False,
        ),
    ),
)

TRANSFORM = Section(
    "Transform",
    "One transform function: raw chunk from S3, converted to rows, staged chunk to S3. The floor parses the same "
    "items, one by one, and drops them; the ratio to it is what conversion, compression and both transfers add. "
    "TypeDeserializer is boto3's way to the same rows: deserialise each item, then pick its columns.",
    "transform_.*",
    (Grid("way", "transform_(?P<row>.+)_(?P<column>cpu_us_per_item)", {"cpu_us_per_item": "CPU, µs/item"}),),
    (
        BarChart(
            "transform-cpu",
            "Transform: CPU an item",
            "µs of CPU an item",
            "less is better",
            "transform_(?P<row>.+)_cpu_us_per_item",
            biggest_first=False,
        ),
    ),
)

LOAD = Section(
    "Load",
    "One load function: staged chunks from S3 into an indexed table, in one transaction, every check included. The "
    "floor is `psql \\copy` of the same rows from a local file into the same table. Below 1 the load is faster than "
    "the floor: it rebuilds indexes once instead of row by row.",
    "load_.*",
    (
        Grid(
            "way",
            r"load_(?P<row>\w+?)_(?P<column>(?:cpu_)?us_per_row)",
            {"us_per_row": "time, µs/row", "cpu_us_per_row": "client's CPU, µs/row"},
        ),
    ),
    (
        BarChart(
            "load-wall",
            "Load: time a row",
            "µs a row",
            "less is better",
            r"load_(?P<row>\w+?)(?<!_cpu)_us_per_row",
            biggest_first=False,
        ),
    ),
)

STALLS = Section(
    "What readers notice",
    "A reader queries the table over and over while it is loaded; the figure is the longest it had to wait. `merge` "
    "and `truncate` are the two settings of `LoadStrategy`. Beside them stand the two plain ways: TRUNCATE, then "
    "COPY in one transaction, and DELETE, then INSERT.",
    "stall_.*|.*_stall_.*",
    (Grid("strategy", r"stall_(?P<row>\w+)_(?P<column>\d+)_ms"),),
    (
        BarChart(
            "stalls",
            "How long a reader waits at worst",
            "milliseconds",
            "less is better",
            r"stall_(?P<row>\w+)_(?P<series>\d+)_ms",
            series="{} rows",
            log=True,
        ),
    ),
)

GROWTH = Section(
    "Growth",
    "Each function in a process of its own, with ever more items. A line that stays level means that a large table "
    "costs no more an item, and no more memory, than a small one. At the left a function's start weighs on its "
    "items.",
    "growth_.*|peak_rss_.*",
    (
        Grid("µs/item at items", r"growth_(?P<row>\w+)_us_per_item_(?P<column>\d+)"),
        Grid("peak memory, MB, at items", r"growth_(?P<row>\w+)_rss_mb_(?P<column>\d+)"),
    ),
    (
        LineChart(
            "growth-time",
            "Time an item as tables grow",
            "µs an item",
            r"growth_(?P<series>\w+)_us_per_item_(?P<x>\d+)",
        ),
        LineChart(
            "growth-memory",
            "Peak memory as tables grow",
            "MB at the peak",
            r"growth_(?P<series>\w+)_rss_mb_(?P<x>\d+)",
        ),
    ),
)

COLD_START = Section(
    "Cold start",
    "What a new Lambda environment has to do before the first event: unpack and import. Import is the time of a "
    "fresh process until its handler can be called, Python's own start included; the package is the function's zip, "
    "and the layer's is shared by all of them.",
    "cold_.*",
    (
        Grid(
            "function",
            r"cold_(?P<row>\w+)_(?P<column>import_ms|package_kb)",
            {"import_ms": "import, ms", "package_kb": "package, KB"},
        ),
    ),
)

SECTIONS = (END_TO_END, SCAN, TRANSFORM, LOAD, STALLS, GROWTH, COLD_START)

OTHER = Section("Other", "Figures that belong to none of the parts above.", ".*")
