"""Input and output of a transform."""

from dataclasses import dataclass
from typing import Any, Self

from demand_pipeline.contracts.event import Run, read_event, read_table, to_camel_case
from demand_pipeline.tables import Table


@dataclass(frozen=True, slots=True)
class TransformRequest:
    """One raw chunk to convert from `page` on; `items` is the scan's count of items from there to the end."""

    run: Run
    table: Table
    segment: int
    chunk: int
    key: str
    page: int
    items: int

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Parse the event of a Transform state; raises `ContractVersionError`, `InvalidEventError`."""
        fields = read_event(event)
        raw = fields.object("raw")
        return cls(
            run=Run.read(fields),
            table=read_table(fields),
            segment=fields.integer("segment"),
            chunk=fields.integer("chunk"),
            key=raw.text("key"),
            page=raw.integer("page"),
            items=raw.integer("items"),
        )


@dataclass(frozen=True, slots=True)
class TransformResult:
    """A staged chunk in S3 (`key`) and its counts of items; rejects are under `rejects/`.

    `next_page` is the raw chunk's next page to convert, None if the whole chunk is converted.
    """

    key: str
    scanned: int
    staged: int
    rejected: int
    sanitized: int
    next_page: int | None

    def to_event(self) -> dict[str, Any]:
        """Return the result as the state machine reads it."""
        return to_camel_case(self)
