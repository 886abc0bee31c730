"""A run's ledger: the table that records what its shadows contain, and which steps were taken.

A chunk's entry is committed with its rows. So after a crash, a redrive or a concurrent attempt, exactly the chunks
without an entry remain to be copied.
"""

import json
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements

statement = Statements(__package__)


class Kind(Enum):
    """Kinds of entries, with the names in the column `chunk`. A redrive may find names of an older version."""

    CHUNK = "{}"  # the key in the staging bucket
    BUILD = "build {} {} {}"  # slot, index or foreign key, number of the try
    VACUUM = "vacuum {}"  # slot
    EXPORT_PART = "export of {}, part {}"  # table, number
    BUILDER = "builder"  # the session that builds
    CALLS = "calls"  # the calls since the last progress
    HEARTBEAT = ""  # the last sign of life

    def entry(self, *parts: str) -> str:
        """Return the name of an entry; an empty last part makes it a prefix."""
        return self.value.format(*parts)


@dataclass(frozen=True, slots=True)
class Copied:
    """The ledger's totals of a table: rows and rejects in the shadows, and the seconds spent copying them."""

    rows: int = 0
    rejects: int = 0
    seconds: float = 0.0


class ExportPart(NamedTuple):
    """A part of an export in S3: the shadow's next block (None: no more), and the part's upload and tag, if any."""

    end: int | None
    upload: str = ""
    tag: str = ""

    @property
    def is_last(self) -> bool:
        """Whether this part completes the export."""
        return self.end is None


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of a run; `table` is its quoted name."""

    connection: Connection
    table: Sql

    def create(self, kind: Sql) -> None:
        """Create the ledger if it is missing; `kind` must be UNLOGGED exactly if the shadows are."""
        self.connection.execute(statement("create_ledger", kind=kind, ledger=self.table))

    def exists(self) -> bool:
        """Whether there is a ledger, and so the run's shadows."""
        [[found]] = self.connection.query(statement("relation_exists"), relation=self.table)
        return bool(found)

    def touch(self) -> None:
        """Record that the run is alive."""
        self.connection.execute(statement("touch_ledger", ledger=self.table), entry=Kind.HEARTBEAT.entry())

    def count_calls(self) -> int:
        """Count this call of the load, and return the number of calls since the last other entry."""
        [[calls]] = self.connection.query(statement("count_calls", ledger=self.table), entry=Kind.CALLS.entry())
        return int(calls)

    def claim_chunk(self, table: str, key: str, rows: int, rejects: int) -> bool:
        """Record a chunk, in the transaction that copies it; False if it is already there.

        Waits for another session's transaction that copies the same chunk; raises LockTimeoutError.
        """
        claim, entry = statement("claim_chunk", ledger=self.table), Kind.CHUNK.entry(key)
        return bool(self.connection.execute(claim, table=table, entry=entry, rows=rows, rejects=rejects))

    def complete_chunk(self, key: str, drift: str | None) -> None:
        """Record the copying time of a claimed chunk, and its drift counts as JSON, if there are any."""
        complete = statement("complete_chunk", ledger=self.table)
        self.connection.execute(complete, entry=Kind.CHUNK.entry(key), drift=drift)

    def chunks(self) -> set[str]:
        """Return the keys of the copied chunks."""
        return {key for [key] in self.connection.query(statement("copied_chunks", ledger=self.table))}

    def copied(self) -> dict[str, Copied]:
        """Return the totals, by table."""
        totals = self.connection.query(statement("copied_totals", ledger=self.table))
        return {table: Copied(int(rows), int(rejects), float(seconds)) for table, rows, rejects, seconds in totals}

    def claim(self, kind: Kind, *parts: str) -> bool:
        """Record a step other than a chunk; False if it is already there."""
        return bool(self.connection.execute(statement("claim_step", ledger=self.table), entry=kind.entry(*parts)))

    def forget(self, kind: Kind, *parts: str) -> None:
        """Delete the steps that begin with these parts."""
        self.connection.execute(statement("forget_steps", ledger=self.table), prefix=kind.entry(*parts, ""))

    def export_parts(self, table: str) -> list[ExportPart]:
        """Return the parts of a table's export that are in S3, in order."""
        prefix = Kind.EXPORT_PART.entry(table, "")
        return [
            ExportPart(*part)
            for [part] in self.connection.query(statement("export_parts", ledger=self.table), prefix=prefix)
        ]

    def claim_export_part(self, table: str, number: int) -> bool:
        """Record a part of an export, in the transaction that reads and sends it; False if it is already there."""
        return self.claim(Kind.EXPORT_PART, table, f"{number:05}")

    def complete_export_part(self, table: str, number: int, part: ExportPart) -> None:
        """Record the upload and the tag of a claimed part."""
        entry = Kind.EXPORT_PART.entry(table, f"{number:05}")
        complete = statement("complete_export_part", ledger=self.table)
        self.connection.execute(complete, entry=entry, part=json.dumps(part))
