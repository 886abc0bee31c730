"""What a load strategy receives and returns."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from demand_pipeline.load.schema import TableSchema
from demand_pipeline.postgres.connection import Connection


@dataclass(frozen=True, slots=True)
class LoadContext:
    """Tables whose new rows are copied and checked, to replace the old ones.

    `staged` and `previous` are numbers of rows by table; `additions` are statements that add missing
    columns, and take an exclusive lock. Each statement that takes long runs within a `step` of its
    table, which times it and keeps it to the deadline.
    """

    connection: Connection
    schema: str
    layouts: tuple[TableSchema, ...]
    additions: tuple[str, ...]
    staged: Mapping[str, int]
    previous: Mapping[str, int]
    step: Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Changes:
    """What was done to a table, in rows; `rows` is how many it holds now."""

    inserted: int
    updated: int
    deleted: int
    rows: int
