"""Generates the tables of docs/performance.md from the figures of the last benchmark."""

import re
from collections.abc import Mapping

from benchmarks.figures import TARGETS, Figure, Results
from scripts.tables import markdown

_CONTESTANTS = {"this project": "ours", "Singer": "singer", "dlt": "dlt", "pandas": "pandas"}
_END_TO_END = {
    "speed": "e2e_{}_items_per_s",
    "CPU": "e2e_{}_cpu_us_per_item",
    "PostgreSQL's CPU meanwhile": "e2e_{}_postgres_cpu_us_per_item",
    "peak memory": "e2e_{}_peak_rss_mb",
}
_SCAN = {
    "this project": "scan_handler",
    "this project, with isal": "scan_handler_isal",
    "boto3 `Table.scan`": "scan_resource",
    "boto3 `client.scan`": "scan_client",
    "practical limit: boto3 unparsed, check, compress, store": "scan_plain_loop",
    "lower bound: signed by hand, check, drop": "scan_floor",
}
_TRANSFORM = {
    "this project": "transform_handler",
    "this project, with isal": "transform_handler_isal",
    "boto3 `TypeDeserializer`": "transform_deserializer",
    "practical limit: the same without any check": "transform_no_checks",
    "lower bound: parse from S3, drop": "transform_reading_floor",
    "lower bound: parse from memory, drop": "transform_floor",
}
_LOAD = {
    "`truncate`": "truncate",
    "`merge`, 1 % of the rows changed": "merge",
    "`swap`": "swap",
    "`psql \\copy`": "psql_copy",
    "limit: `psql \\copy` in two streams, then indexes, VACUUM": "psql_streams",
}
_NONE = "\N{EN DASH}"
_LARGE = {
    "this project": "ours",
    "this project, without any check": "ours_unchecked",
    "this project, with isal": "ours_isal",
    "with isal, without any check": "ours_isal_unchecked",
}
_READERS = {
    "nothing": "idle",
    "`merge`": "merge",
    "`swap`": "swap",
    "a rollback": "rollback",
    "`truncate`": "truncate",
    "TRUNCATE, then COPY": "truncate_first",
    "DELETE, then COPY": "delete_insert",
}


def measured() -> str:
    """Return the sentence about the date and the machine of the benchmark."""
    results = Results.load()
    machine = results.machine
    size = f"{machine['cores']} cores, {machine['memory_gb']} GB"
    where = f"{machine['processor']}, {size}, {machine['system']}, Python {machine['python']}"
    return f"Measured on {results.date} on {where}."


def targets() -> str:
    """Return a table of all targets, and whether they are met."""
    met = {True: "yes", False: "**no**"}
    known = _figures()
    rows = [
        (f"`{name}`", _shown(name), str(target), met[target.is_met_by(known[name].value)] if name in known else _NONE)
        for name, target in TARGETS.items()
    ]
    return markdown(("figure", "measured", "target", "met"), rows)


def end_to_end() -> str:
    """Return a table with a column per contestant; the figures' notes name the memory's owner and the arrived items."""
    figures, slugs = _figures(), _CONTESTANTS.values()
    rows = [(label, *_cells(template, _CONTESTANTS)) for label, template in _END_TO_END.items()]
    rows += [("memory", *(figures[f"e2e_{slug}_peak_rss_mb"].note or "of the process" for slug in slugs))]
    arrived = [re.findall(r"([^;]+?) ([\d,]+ of [\d,]+)", figures[f"e2e_{slug}_kept"].note) for slug in slugs]
    rows += [(each[0][0].strip(), *(count for _, count in each)) for each in zip(*arrived, strict=True)]
    return markdown(("", *_CONTESTANTS), rows)


def large() -> str:
    """Return a table of the larger source table, with a row per contestant."""
    peers = [name.split("_")[2] for name in _figures() if name.startswith("e2e_large_") and "ours" not in name]
    rows = _LARGE | {label: slug for label, slug in _CONTESTANTS.items() if slug in peers}
    return _grid("", {"speed": "e2e_large_{}_items_per_s"}, rows)


def scan() -> str:
    """Return a table with a row per way to read the pages."""
    return _list("CPU", {label: f"{slug}_cpu_us_per_item" for label, slug in _SCAN.items()})


def transform() -> str:
    """Return a table with a row per way to convert the items."""
    return _list("CPU", {label: f"{slug}_cpu_us_per_item" for label, slug in _TRANSFORM.items()})


def load() -> str:
    """Return a table with a row per way to load: total time, time after copying, CPU, and a reader's longest wait."""
    largest = max(_sizes("stall_idle_", "_ms"))
    columns = {
        "time": "load_{}_us_per_row",
        "after the copying": "load_{}_publish_us_per_row",
        "client's CPU": "load_{}_cpu_us_per_row",
        "a reader's longest wait": f"stall_{{}}_{largest}_ms",
    }
    return _grid("", columns, _LOAD)


def readers() -> str:
    """Return a table of readers' waits, with a row per way to load and a column per number of rows."""
    sizes = _sizes("stall_idle_", "_ms")
    return _grid("while this runs", {f"{size:,} rows": f"stall_{{}}_{size}_ms" for size in sizes}, _READERS)


def rollback() -> str:
    """Return the sentence about the time of a rollback."""
    figure = _figures().get("rollback_ms")
    return f"`rollback_ms` is {figure}: {figure.note}." if figure else f"`rollback_ms`: {_NONE}"


def drift() -> str:
    """Return the sentence about the cost of drift detection."""
    return f"Drift detection adds {_shown('drift_cpu_percent')} to the CPU time of the conversion, without S3 and gzip."


def growth() -> str:
    """Return a table with a row per number of items and two columns per function."""
    rows = {f"{size:,}": str(size) for size in _sizes("growth_scan_us_per_item_")}
    measures = {"time": "us_per_item", "memory": "rss_mb"}
    steps = ("scan", "transform", "load")
    columns = {f"{s}, {label}": f"growth_{s}_{slug}_{{}}" for label, slug in measures.items() for s in steps}
    return _grid("items", columns, rows)


def cold_start() -> str:
    """Return a table of cold starts, with a row per function."""
    names = [
        name.removeprefix("cold_").removesuffix("_import_ms") for name in _figures() if name.endswith("_import_ms")
    ]
    rows = {name.replace("_", " "): name for name in [*names, "layer"]}
    return _grid("", {"import": "cold_{}_import_ms", "package": "cold_{}_package_kb"}, rows)


def _figures() -> Mapping[str, Figure]:
    return Results.load().figures


def _cells(template: str, slugs: Mapping[str, str]) -> list[str]:
    """Return the figures of a row or a column."""
    return [_shown(template.format(slug)) for slug in slugs.values()]


def _shown(name: str) -> str:
    """Return a figure as text, or a dash if it was not measured."""
    return str(_figures().get(name, _NONE))


def _grid(corner: str, columns: Mapping[str, str], rows: Mapping[str, str]) -> str:
    """Return a table of figures whose names consist of a column's template and a row's slug."""
    cells = zip(*(_cells(template, rows) for template in columns.values()), strict=True)
    return markdown((corner, *columns), [(label, *row) for label, row in zip(rows, cells, strict=True)])


def _list(heading: str, names: Mapping[str, str]) -> str:
    return _grid("", {heading: "{}"}, names)


def _sizes(start: str, end: str = "") -> list[int]:
    """Return the numbers of items or rows for which a figure was measured."""
    return [int(match[1]) for name in _figures() if (match := re.fullmatch(rf"{start}(\d+){end}", name))]
