"""The items that a run loaded: its raw chunks, whole or a sample of them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from demand.runs.history import History
from demand.runs.tasks import Attempt, Kind, Outcome, Tasks
from demand.stack import Stack
from demand_pipeline.dynamodb.typed_json import Item, iterate_items

_SAMPLED_CHUNKS = 4  # of each table: a chunk is read to its end, whatever the sample's size


@dataclass(frozen=True)
class RawChunk:
    """An object in the staging bucket and the number of its items."""

    key: str
    items: int


def raw_chunks(stack: Stack, arn: str) -> dict[str, tuple[RawChunk, ...]]:
    """The raw chunks of a run that was loaded, by table: those whose rows the load was given.

    Other attempts may have written chunks too, which nothing read.
    """
    tasks = Tasks()
    tasks.add(History(stack.client("stepfunctions"), arn).update())
    done = [attempt for attempt in tasks.attempts if attempt.outcome is Outcome.SUCCEEDED]
    items = {attempt.answer["key"]: int(attempt.answer["items"]) for attempt in done if attempt.kind is Kind.SCAN}
    loaded = {key for attempt in done if attempt.kind is Kind.LOAD for key in _staged_keys(attempt)}
    found: dict[str, dict[str, RawChunk]] = {}
    for attempt in done:
        if attempt.kind is Kind.TRANSFORM and attempt.answer["key"] in loaded:
            key = attempt.request["raw"]["key"]
            found.setdefault(str(attempt.table), {})[key] = RawChunk(key, items[key])
    return {table: tuple(chunks.values()) for table, chunks in found.items()}


def read_items(stack: Stack, chunks: Sequence[RawChunk]) -> Iterator[Item]:
    """Yield every item of the chunks; raises StagingError if one has expired."""
    from demand_pipeline.s3.staging import Staging  # noqa: PLC0415 - slow, which --help does not need

    staging = Staging(stack.staging_bucket, stack.client("s3"))
    for chunk in chunks:
        for page in staging.lines(chunk.key):
            yield from iterate_items(page)


def sample_items(stack: Stack, chunks: Sequence[RawChunk], size: int, draw: random.Random) -> list[Item]:
    """At most `size` items of a few chunks; each item of those is as likely as any other (Vitter's algorithm R)."""
    weighted = [chunk for chunk in chunks if chunk.items]
    chosen = dict.fromkeys(
        draw.choices(weighted, [chunk.items for chunk in weighted], k=_SAMPLED_CHUNKS) if weighted else []
    )
    kept: list[Item] = []
    for number, item in enumerate(read_items(stack, list(chosen))):
        if number < size:
            kept.append(item)
        elif (place := draw.randrange(number + 1)) < size:
            kept[place] = item
    return kept


def _staged_keys(load: Attempt) -> Iterator[str]:
    for table in load.request["tables"]:
        for segment in table["segments"]:
            yield from (chunk["key"] for chunk in segment["chunks"])
