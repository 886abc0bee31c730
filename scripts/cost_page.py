"""Generates the tables of docs/cost.md, and the file of measured figures that the cost model reads."""

import json
from dataclasses import asdict
from typing import Any

from benchmarks.cost import largest_run, measured
from benchmarks.figures import Results, number
from demand.cli.estimate import LONG_WAIT
from demand.cost import PRICES, Measured, Run, Settings
from demand_pipeline.contracts.loading import Strategy
from scripts.dashboard import ALARMS
from scripts.tables import markdown

_RUN_ITEMS = (1_000_000, 100_000_000, 1_000_000_000)
_CONCURRENCIES = (1, 4, 16)
_CENT = 0.01
_HOUR, _MINUTE = 3600, 60
_HOURS_PER_MONTH = 730


def measured_file(results: Results | None = None) -> str:
    """Return the content of demand/cost/measured.json; raises KeyError for a figure that was not measured."""
    return json.dumps(asdict(measured(results or Results.load())), indent=2) + "\n"


def basis() -> str:
    """Return the paragraph about the sources of the figures."""
    known = Measured.load()
    return (
        f"CPU times and sizes are from the benchmark of {known.date}, with items of {number(known.stored_bytes)} bytes "
        f"as\nDynamoDB counts them. Prices are list prices of {PRICES.date} in {PRICES.region}."
    )


def costs(strategy: str) -> str:
    """Return a table with a column per size: each cost, the total and the time, for a load strategy."""
    runs = _runs(load_strategy=Strategy(strategy))
    rows = [
        ("table", *(f"{number(run.table_bytes / 1e9)} GB" for run in runs)),
        ("segments, chunks", *(f"{run.segments}, {run.chunks}" for run in runs)),
        *((name, *(dollars(run.dollars[name]) for run in runs)) for name in runs[0].dollars),
        ("**total**", *(f"**{dollars(run.total)}**" for run in runs)),
        ("per million items", *(dollars(run.total / run.items * 1e6) for run in runs)),
        ("until staged", *(duration(run.seconds - run.load_seconds) for run in runs)),
        ("copying", *(duration(run.copying_seconds) for run in runs)),
        ("publishing", *(duration(run.publish_seconds) for run in runs)),
        ("**time**", *(f"**{duration(run.seconds)}**" for run in runs)),
    ]
    return markdown(_head(runs), rows)


def limits() -> str:
    """Return a table with a column per size: the share of each limit that a run uses, in bold above the limit."""
    by_strategy = {strategy: _runs(load_strategy=strategy) for strategy in Strategy}
    of_load = {next(iter(runs[0].limits)): runs for runs in by_strategy.values()}
    rows = of_load | dict.fromkeys(by_strategy[Strategy.SWAP][0].limits, by_strategy[Strategy.SWAP])
    cells = [(name, *(_share(run.limits[name]) for run in runs)) for name, runs in rows.items()]
    return markdown(_head(by_strategy[Strategy.SWAP]), cells)


def most_rows() -> str:
    """Return a table with a row per strategy: the maximum number of rows of all tables of a run."""
    known, seconds = Measured.load(), Settings().usable_seconds
    most = {Strategy.TRUNCATE: known.truncate_us, Strategy.MERGE: known.merge_us}
    rows = [(f"`{strategy}`", f"{seconds / us:,.0f} million") for strategy, us in most.items()]
    return markdown(("", "rows of a run"), [*rows, (f"`{Strategy.SWAP}`", "no limit")])


def long_wait() -> str:
    """Return the sentence about the number of rows above which a truncate makes readers wait long."""
    rows = LONG_WAIT / Measured.load().truncate_us
    return (
        f"With `truncate` readers wait while rows are written: about {LONG_WAIT} seconds for {rows:.1f} million rows "
        "of the benchmark.\nFor more rows use `merge` or `swap`; `demand estimate` shows how long readers would wait."
    )


def copying() -> str:
    """Return a table with a column per size: the time that copying takes, by LoadConcurrency."""
    settings = {str(number): _runs(load_concurrency=number) for number in _CONCURRENCIES}
    rows = [(name, *(duration(run.copying_seconds) for run in runs)) for name, runs in settings.items()]
    return markdown(("`LoadConcurrency`", *_head(_runs())[1:]), rows)


def disk() -> str:
    """Return a table with a column per size: the disk space that each strategy needs."""
    settings = {f"`{strategy}`": _runs(load_strategy=strategy) for strategy in Strategy}
    settings["`swap`, `KeepPrevious` false"] = _runs(load_strategy=Strategy.SWAP, keep_previous=False)
    rows = [(name, *(f"{number(run.disk_bytes / 1e9)} GB" for run in runs)) for name, runs in settings.items()]
    return markdown(_head(_runs()), rows)


def largest() -> str:
    """Return the sentence about the largest run that fits, and its settings."""
    run = largest_run(Measured.load())
    name, share = run.binding
    settings = run.settings
    return (
        f"**{run.items:,} items fit** with `LoadStrategy` {settings.load_strategy} and the defaults otherwise: "
        f"`LoadConcurrency` {settings.load_concurrency}, and\n`ChunkBytes`, which grows with such a table to "
        f'{run.tables[0].chunk_bytes / 1e9:.1f} GB. The closest limit is "{name}": {_share(share)} used.'
    )


def standing() -> str:
    """Return a table of the monthly cost of the stack and its network without any run."""
    alarms = len(ALARMS)
    rows = [
        (f"{alarms} alarms", dollars(0.10 * alarms), "$0.10 each; ten per account are free"),
        ("dashboard", dollars(3), "free if it is one of the account's first three with at most 50 metrics"),
        ("key of the alarm topic", dollars(1), "$1 more after each of the first two yearly rotations"),
        ("secret", dollars(0.40), "one more with `PostgresTlsRootSecretArn`"),
        (
            "endpoint for Secrets Manager",
            dollars(0.01 * _HOURS_PER_MONTH * 2),
            "two zones, $0.01 per hour; S3's is free",
        ),
        ("or a NAT gateway", dollars(0.045 * _HOURS_PER_MONTH), "$0.045 per hour and zone, and $0.045 per GB"),
    ]
    return markdown(("", "per month", ""), rows)


def dollars(amount: float) -> str:
    """Format an amount: in cents from one dollar on, with two significant digits below."""
    if amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:#.2g}" if amount >= _CENT / 100 else "under $0.0001"


def duration(seconds: float) -> str:
    """Format a duration in seconds, minutes or hours."""
    if seconds >= 2 * _HOUR:
        return f"{number(seconds / _HOUR)} hours"
    return f"{seconds / _MINUTE:.0f} minutes" if seconds >= 2 * _MINUTE else f"{seconds:.0f} seconds"


def _runs(**settings: Any) -> list[Run]:
    return [Run.of_items(items, Measured.load(), Settings(**settings)) for items in _RUN_ITEMS]


def _head(runs: list[Run]) -> tuple[str, ...]:
    return ("", *(f"{run.items:,} items" for run in runs))


def _share(share: float) -> str:
    text = f"{100 * share:,.0f} %" if share >= _CENT else "under 1 %"
    return f"**{text}**" if share > 1 else text
