"""Why a target is missed, and what the limit is instead, in the figures of the same run."""

from collections.abc import Callable, Iterator, Mapping

from benchmarks.figures import TARGETS, Figure
from benchmarks.report.numbers import TIMES, number, with_unit

type Values = Mapping[str, float]


def explanations(figures: Mapping[str, Figure]) -> Iterator[str]:
    """A paragraph for each missed target whose figures are all there."""
    values = {name: figure.value for name, figure in figures.items()}
    for name in TARGETS:
        if name in _LIMITS and name in figures and figures[name].met is False:
            try:
                yield f"`{name}`: {_LIMITS[name](values)}"
            except KeyError:  # a figure of another part, which was not measured
                continue


def _times(value: float) -> str:
    return with_unit(value, TIMES)


def _us(value: float) -> str:
    return with_unit(value, "us")


def _scan(values: Values) -> str:
    ours, limit = values["scan_handler_cpu_us_per_item"], values["scan_plain_loop_cpu_us_per_item"]
    resource, floor = values["scan_resource_cpu_us_per_item"], values["scan_floor_cpu_us_per_item"]
    smaller = values["scan_wire_bytes_per_item"] / values["scan_compressed_bytes_per_item"]
    return (
        f"boto3's resource takes {_us(resource)} an item. A plain loop that reads the pages by boto3 without parsing "
        f"them, which keeps its retries, checks and compresses them, and puts them to S3 at once takes {_us(limit)}, "
        f"so that {_times(resource / limit)} is the limit; a second reader and parts of bounded size add "
        f"{_us(ours - limit)}. {_us(floor)} of it are the floor's, most of the rest zlib's at its fastest level, "
        f"which boto3's scan does not have. Not compressing would send {number(smaller)} times the bytes to S3."
    )


def _transform(values: Values) -> str:
    floor, reading = values["transform_floor_cpu_us_per_item"], values["transform_reading_floor_cpu_us_per_item"]
    unchecked, ours = values["transform_no_checks_cpu_us_per_item"], values["transform_handler_cpu_us_per_item"]
    return (
        f"the floor of {_us(floor)} parses what is in memory already; parsing the same items from their chunk in "
        f"S3 takes {_us(reading)}, to which the function is {_times(ours / reading)}. To make the rows without "
        f"checking a single value, and store them, takes {_us(unchecked)}: {_times(unchecked / floor)} the floor "
        f"is the limit of this way to do it, and all checks together cost {_us(ours - unchecked)}."
    )


def _cpu(values: Values) -> str:
    ours = values["e2e_ours_cpu_us_per_item"]
    best = ours * values["e2e_cpu_vs_best_peer"]
    ratio = TARGETS["e2e_cpu_vs_best_peer"].value
    stages = [
        values["scan_handler_cpu_us_per_item"],
        values["transform_handler_cpu_us_per_item"],
        values["load_truncate_cpu_us_per_row"],
    ]
    alone = " + ".join(number(stage) for stage in stages)
    return (
        f"the best peer takes {_us(best)} an item, so that {_times(ratio)} were {_us(best / ratio)} for "
        f"everything. The stages, measured alone below, take {alone} = {_us(sum(stages))}: for any number of items "
        f"{_times(best / sum(stages))} is the limit. Start-up adds {number(values['e2e_ours_start_cpu_ms'])} ms, which "
        f"so few items have to carry as well."
    )


def _items(values: Values) -> str:
    ours = values["e2e_ours_items_per_s"]
    best = ours / values["e2e_items_vs_best_peer"]
    ratio = TARGETS["e2e_items_vs_best_peer"].value
    read = (values["scan_handler_cpu_us_per_item"] + values["transform_handler_cpu_us_per_item"]) / 2
    least = read + values["load_truncate_us_per_row"]
    return (
        f"the best peer moves {number(best)} items a second, so that {_times(ratio)} were {number(best * ratio)}. "
        f"A refresh of a single item takes {number(values['e2e_ours_start_ms'])} ms already: Python, imports, "
        f"connections, and the load's transaction. Then two processors scan and transform an item in {_us(read)}, and "
        f"the load takes {_us(least - read)} more, most of it PostgreSQL's: for any number of items "
        f"{_times(1e6 / least / best)} is the limit."
    )


_LIMITS: dict[str, Callable[[Values], str]] = {
    "scan_cpu_vs_resource_scan": _scan,
    "transform_cpu_vs_parse_floor": _transform,
    "e2e_items_vs_best_peer": _items,
    "e2e_cpu_vs_best_peer": _cpu,
}
