"""Input and output of the function that copies a chunk."""

from dataclasses import dataclass
from typing import Any, Self

from demand_pipeline.contracts.event import Run, read_event, read_table, to_camel_case
from demand_pipeline.tables import Table


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """One staged chunk to copy: its object, and its numbers of rows and rejects."""

    run: Run
    table: Table
    key: str
    staged: int
    rejected: int

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Parse the event of the CopyChunk state; raises `ContractVersionError`, `InvalidEventError`."""
        fields = read_event(event)
        chunk = fields.object("chunk")
        return cls(
            run=Run.read(fields),
            table=read_table(fields),
            key=chunk.text("key"),
            staged=chunk.integer("staged"),
            rejected=chunk.integer("rejected"),
        )


@dataclass(frozen=True, slots=True)
class CopyResult:
    """Whether this call copied the chunk; false if an earlier call copied it, or if the load will copy it."""

    copied: bool

    def to_event(self) -> dict[str, Any]:
        """Return the result as the execution's history shows it."""
        return to_camel_case(self)
