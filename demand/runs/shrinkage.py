"""Sentences about tables that lost many rows in a run."""

from collections.abc import Iterable, Mapping
from typing import Any

from demand_pipeline.load.shrinkage import has_shrunk


def shrunk_tables(tables: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence about each table, as a load counted it, that lost all of its rows or more than a fifth of them."""
    return tuple(sentence for counts in tables if (sentence := _sentence(counts)))


def _sentence(counts: Mapping[str, Any]) -> str | None:
    before, after = int(counts["previousRows"]), int(counts["loaded"])
    if not has_shrunk(before, after):
        return None
    fewer = f"{(before - after) / before:.0%} fewer" if after else "none are left"
    return f"{counts['table']} shrank: {after:,} rows, {before:,} before, {fewer}"
