"""Reads the items that a run loaded from its raw chunks: all items, or a sample."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demand.errors import DemandError
from demand.runs.history import History
from demand.runs.tasks import Kind, Outcome, Tasks
from demand.stack import Stack
from demand_pipeline.dynamodb.typed_json import Item, iterate_items

_SAMPLED_CHUNKS = 4  # per table: a chunk is read to its end, whatever the sample's size


@dataclass(frozen=True)
class RawChunk:
    """An object in the staging bucket and the number of its items."""

    key: str
    items: int


def raw_chunks(stack: Stack, arn: str) -> dict[str, tuple[RawChunk, ...]]:
    """Return the raw chunks of a loaded run, by table: the chunks whose rows the load copied.

    Other attempts may have written chunks that were never read. Raises DemandError if the history does not show the
    source of a chunk's rows.
    """
    tasks = Tasks()
    tasks.add(History(stack.client("stepfunctions"), arn).update())
    done = [task for task in tasks.attempts if task.outcome is Outcome.SUCCEEDED]
    items = {task.answer.get("key"): task.answer.get("items") for task in done if task.kind is Kind.SCAN}
    raw = {task.answer.get("key"): task.request["raw"].get("key") for task in done if task.kind is Kind.TRANSFORM}
    found: dict[str, dict[str, RawChunk]] = {}
    for table in (table for task in done if task.kind is Kind.LOAD for table in task.request["tables"]):
        chunks = found.setdefault(table["table"], {})
        for staged in _staged_keys(table):
            key = raw.get(staged)
            count = items.get(key)
            if key is None or count is None:
                lacking = "transform" if key is None else "scan"
                raise _incomplete(arn, f"does not show the result of the {lacking} behind {staged}")
            chunks[key] = RawChunk(key, int(count))
    return {table: tuple(chunks.values()) for table, chunks in found.items()}


def chunks_of(chunks: Mapping[str, tuple[RawChunk, ...]], arn: str, table: str) -> tuple[RawChunk, ...]:
    """The chunks of one table; raises DemandError if the run's history does not show its load."""
    if table not in chunks:
        raise _incomplete(arn, f"does not show the load of {table}")
    return chunks[table]


def _incomplete(arn: str, lack: str) -> DemandError:
    message = f"the history of run {arn.rpartition(':')[2]} {lack}"
    return DemandError("IncompleteHistory", message, "demand run, then demand verify")


def read_items(stack: Stack, chunks: Sequence[RawChunk]) -> Iterator[Item]:
    """Yield every item of the chunks; raises StagingError if one has expired."""
    from demand_pipeline.s3.staging import Staging  # noqa: PLC0415 - slow, which --help does not need

    staging = Staging(stack.staging_bucket, stack.client("s3"))
    for chunk in chunks:
        for page in staging.lines(chunk.key):
            yield from iterate_items(page)


def sample_items(stack: Stack, chunks: Sequence[RawChunk], size: int, draw: random.Random) -> list[Item]:
    """Return at most `size` items of a few chunks; every item of them is equally likely (Vitter's algorithm R)."""
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


def _staged_keys(table: Mapping[str, Any]) -> Iterator[str]:
    for segment in table["segments"]:
        yield from (chunk["key"] for chunk in segment["chunks"])
