"""Writes docs/cost.md."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from textwrap import fill

from benchmarks.cost.assumptions import (
    ACCOUNT_FUNCTIONS,
    EVENTS,
    PAYLOAD_BYTES,
    RUN_ITEMS,
    UPLOAD_PARTS,
    Assumptions,
    Price,
    Prices,
)
from benchmarks.cost.model import Measured, Run, usable_seconds
from benchmarks.cost.plan import concurrency, function_setting, functions_at_once, parameter
from benchmarks.figures import Results
from benchmarks.report.numbers import number
from demand_pipeline.s3.upload import PART_BYTES
from scripts.state_machine import share

DOCS = Path(__file__).parents[2] / "docs"
_CENT = 0.01
_HOURS, _MINUTES = 7200, 120  # seconds from which hours and minutes read better

_HEAD = """\
# What a run costs

Made by `make bench` from `benchmarks/results/latest.json`; do not edit. Figures of {date}, list prices of
{prices} in {region}.

One table of the benchmark's items ({stored} bytes each as DynamoDB counts them, {wire} on the wire) is refreshed in
full, once, with the template's defaults. CPU an item is measured; how the run is cut into segments and chunks comes
from the state machine's own expressions. Not counted: PostgreSQL, logs, metrics and traces, NAT or VPC endpoints,
retries, free tiers and discounts."""

_LIMITS = """\
## Limits that bind first

How much of each limit a run uses; retries and further tables come on top. Over 100 % such a run fails: nothing is
loaded, and yesterday's data stays."""

_TOLD = """\
- **The load** is the first to bind: at {load} µs a row, {rows} million rows a run, all tables together, fill its
  {seconds} seconds. Most of it PostgreSQL works or waits for its disk; a larger database moves the limit, more memory
  for the function does not.
- **Events and payload** hardly grow: from {chunk} MiB on, a chunk is a {share}th of the table.
- **Time of scans and transforms** binds nothing: a chunk ends before the function's time does, and the next goes on.
- **DynamoDB** gives {units} read units a second to an on-demand table unless its quota is raised, and {partition} to a
  partition. Functions wait for it meanwhile, which is most of what scanning costs. `MaxReadUnitsPerSecond` lowers it on
  purpose, to spare the source's other users; the waiting is paid too.
- **Lambda** gives a new account far fewer functions at once. A call that finds no room waits, in the end ten minutes at
  a time; a quarter of what the account has to spare as `MaxFunctionsPerTable` avoids that."""


def write_cost(results: Results, docs: Path = DOCS, assumed: Assumptions | None = None) -> None:
    """Write `cost.md` below `docs`; raises MissingFigureError."""
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "cost.md").write_text(render(results, assumed or Assumptions()), encoding="utf-8")


def render(results: Results, assumed: Assumptions) -> str:
    """The whole page, as Markdown."""
    measured = Measured.of(results.figures)
    runs = [Run(items, measured, assumed) for items in RUN_ITEMS]
    head = _HEAD.format(
        date=results.date,
        prices=assumed.prices.date,
        region=assumed.prices.region,
        stored=number(round(measured.stored_bytes)),
        wire=number(round(measured.wire_bytes)),
    )
    blocks = [head, _overview(runs), *(block for run in runs for block in _run(run))]
    blocks += [_LIMITS, _limits(runs), _told(measured, assumed)]
    blocks += ["## Prices", _prices(assumed.prices), "## Assumptions", _assumptions(assumed)]
    return "\n\n".join(blocks) + "\n"


def _overview(runs: Sequence[Run]) -> str:
    rows = [
        (
            number(run.items),
            dollars(run.total),
            dollars(run.total / run.items * 1e6),
            f"{100 * run.dollars['DynamoDB, reads'] / run.total:.0f} %",
            duration(run.seconds),
            "yes" if run.load_seconds <= usable_seconds() else "**no**",
        )
        for run in runs
    ]
    return _markdown(("items", "a run", "a million items", "DynamoDB's share", "takes", "fits"), rows)


def _run(run: Run) -> Iterator[str]:
    yield f"## {number(run.items)} items"
    if run.load_seconds > usable_seconds():
        yield _wrapped(
            f"**Such a run does not fit**: its load would take {duration(run.load_seconds)}, and a function has "
            f"{number(usable_seconds())} seconds. The costs are those it would have."
        )
    yield _wrapped(
        f"Table: {number(run.table_bytes / 1e9)} GB. Segments: {number(run.plan.segments)}. "
        f"Chunks: {number(run.chunks)}. State transitions: {number(run.transitions)}. "
        f"Lambda: {number(round(sum(run.lambda_gb_seconds.values())))} GB-seconds. "
        f"Read units: {number(round(run.read_units))}. Left in S3: {number(run.s3_gb)} GB."
    )
    rows = [(name, dollars(cost)) for name, cost in run.dollars.items()]
    yield _markdown(("", "US dollars"), [*rows, ("**total**", f"**{dollars(run.total)}**")])


def _limits(runs: Sequence[Run]) -> str:
    limits = (
        (
            f"{usable_seconds():.0f} seconds of load",
            [run.load_seconds / usable_seconds() for run in runs],
            "a larger database; fewer `tables` a run",
        ),
        (
            f"{number(EVENTS)} events a run",
            [run.events / EVENTS for run in runs],
            "`ChunkBytes`, `MaxSegments`; fewer `tables` a run",
        ),
        ("256 KiB for the load's input", [run.payload_bytes / PAYLOAD_BYTES for run in runs], "the same"),
        (
            f"{number(UPLOAD_PARTS)} parts of {PART_BYTES >> 20} MiB a chunk",
            [run.items * run.measured.raw_bytes / run.chunks / (UPLOAD_PARTS * PART_BYTES) for run in runs],
            "`ChunkBytes`, `MaxSegments`",
        ),
        (
            f"{concurrency()} segments at once",
            [run.plan.segments / concurrency() for run in runs],
            "`MaxFunctionsPerTable`: more segments take turns",
        ),
        (
            f"{functions_at_once()} functions at once for all tables, of an account's {number(ACCOUNT_FUNCTIONS)}",
            [functions_at_once() / ACCOUNT_FUNCTIONS for _ in runs],
            "`MaxFunctionsPerTable`; a higher quota",
        ),
    )
    rows = [(name, *map(_share, shares), setting) for name, shares, setting in limits]
    return _markdown(("limit", *(f"{number(run.items)} items" for run in runs), "what moves it"), rows, last="---")


def _told(measured: Measured, assumed: Assumptions) -> str:
    return _TOLD.format(
        load=number(measured.load_seconds * 1e6),
        rows=number(float(f"{usable_seconds() / measured.load_seconds / 1e6:.2g}")),
        seconds=number(usable_seconds()),
        chunk=parameter("ChunkBytes") >> 20,
        share=share(),
        units=number(assumed.table_units_per_second),
        partition=number(assumed.partition_units_per_second),
    )


def _prices(prices: Prices) -> str:
    listed = [value for field in fields(prices) if isinstance(value := getattr(prices, field.name), Price)]
    rows = [(price.unit, f"${price.dollars:.10f}".rstrip("0"), price.source, price.check) for price in listed]
    return _markdown(("a", "price", "page", "looked up"), rows, last="---")


def _assumptions(assumed: Assumptions) -> str:
    partition = number(assumed.partition_units_per_second)
    rows = [
        ("memory of every function", f"{number(function_setting('MemorySize'))} MB: one processor"),
        ("a page of a scan", f"{number(1000 * assumed.page_seconds)} ms, as a partition gives its read units"),
        ("a partition", f"{number(assumed.partition_bytes / 1e9)} GB, {partition} read units a second at most"),
        ("read units of a table", f"{number(assumed.table_units_per_second)} a second, the default quota on demand"),
        ("S3, one connection", f"{number(assumed.s3_bytes_per_second / 1e6)} MB/s"),
        (
            "Lambda's processor",
            "as fast as the measured one" if assumed.processor == 1 else f"{assumed.processor:g} times as fast",
        ),
        ("cold starts", f"{assumed.cold_starts:g} an invocation, which is too many, but cheap"),
        ("reading, working, sending", "take turns: what overlaps costs less"),
    ]
    return _markdown(("what", "is taken to be"), rows, last="---")


def dollars(amount: float) -> str:
    """Cents from a dollar on, two significant digits below."""
    if amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:#.2g}" if amount >= _CENT / 100 else "under $0.0001"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whatever reads best."""
    if seconds >= _HOURS:
        return f"{number(seconds / 3600)} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= _MINUTES else f"{seconds:.0f} seconds"


def _share(share: float) -> str:
    text = f"{100 * share:,.0f} %" if share >= 0.01 else "under 1 %"  # noqa: PLR2004
    return f"**{text}**" if share > 1 else text


def _wrapped(paragraph: str) -> str:
    return fill(paragraph, 118, break_long_words=False, break_on_hyphens=False)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]], last: str = "---:") -> str:
    middle = ["---:" if last == "---:" or len(head) > 3 else "---"] * (len(head) - 2)  # noqa: PLR2004 - words or numbers
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---", *middle, last], *rows))
