"""A run's own tables while it loads: shadows of each table and of its rejects, and the ledger of what is in them.

They are in a schema of their own, `{schema}_pipeline`, and their names end in the run's digest. A chunk's entry in the
ledger is committed with its rows: whatever dies, is redriven or runs twice, what the ledger lacks remains to be copied.
The shadows are only read from, so they are not logged. A crash of the server empties them, and the ledger with them.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from demand_pipeline.contracts.event import Run
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabasePrivilegeError, DiskFullError, PipelineError
from demand_pipeline.load.control_tables import REJECTED_ITEMS
from demand_pipeline.load.holders import holders_named
from demand_pipeline.load.housekeeping import LEDGER, drop_run
from demand_pipeline.load.schema import TableSchema, ensure_schema
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.statements import Sql, qualified, quote, statement
from demand_pipeline.settings import PostgresSettings

REJECTS_PREFIX = "rejects_"
"""What the name of the shadow of a table's rejects begins with."""

# How long to wait for others who copy into the same shadows, to give back the space of a disk that is full.
_DROP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Copied:
    """What the ledger has of a table: rows and rejects in the shadows, and the seconds that copying them took."""

    rows: int = 0
    rejects: int = 0
    seconds: float = 0.0


class ExportPart(NamedTuple):
    """A part of an export in S3: the block of the shadow after it (None: no more), and its upload and tag, if any."""

    end: int | None
    upload: str = ""
    tag: str = ""

    @property
    def is_last(self) -> bool:
        """Whether the export is complete."""
        return self.end is None


@dataclass(frozen=True, slots=True)
class Shadows:
    """The shadows of a run that loads into `warehouse`, a schema."""

    connection: Connection
    warehouse: str
    run: Run

    @property
    def schema(self) -> str:
        """The schema of all runs' shadows."""
        return pipeline_schema(self.warehouse)

    @property
    def suffix(self) -> str:
        """What the names of the run's tables end in."""
        started = self.run.started_at.isoformat()  # after 90 days a name, and so an ARN, may be used again
        return "_" + hashlib.sha256(f"{self.run.arn} {started}".encode()).hexdigest()[:12]

    def rows(self, table: str) -> Sql:
        """The shadow of a table's rows, quoted."""
        return qualified(self.schema, table + self.suffix)

    def rejects(self, table: str) -> Sql:
        """The shadow of a table's rejected items, quoted."""
        return self.rows(REJECTS_PREFIX + table)

    @property
    def ledger(self) -> Sql:
        """The ledger, quoted."""
        return self.rows(LEDGER)

    def exist(self) -> bool:
        """Whether the run has shadows; without them there is nothing to copy into."""
        [[found]] = self.connection.query(statement("relation_exists"), relation=self.ledger)
        return bool(found)

    def create(self, tables: Iterable[TableSchema]) -> None:
        """Create what is missing, in the caller's transaction; raises DatabasePrivilegeError with what to run."""
        self.ensure_schema()
        for schema in tables:
            for shadow, like in ((self.rows(schema.name), schema), (self.rejects(schema.name), REJECTED_ITEMS)):
                self.connection.execute(statement("create_shadow", table=shadow, definition=like.definition()))
        self.create_ledger(Sql("UNLOGGED"))

    def create_ledger(self, kind: Sql) -> None:
        """Create the ledger if it is missing, as a kind of table that a crash keeps exactly if it keeps the shadows."""
        self.connection.execute(statement("create_ledger", kind=kind, ledger=self.ledger))

    def ensure_schema(self) -> None:
        """Create the schema of the shadows if it is missing; raises DatabasePrivilegeError with what to run."""
        self._refuse_missing_privileges()
        ensure_schema(self.connection, self.schema)

    def touch(self) -> None:
        """Enter in the ledger that the run is alive."""
        self.connection.execute(statement("touch_ledger", ledger=self.ledger))

    def claim(self, table: str, chunk: str, rows: int, rejects: int) -> bool:
        """Enter a chunk in the ledger, in the transaction that copies it; False if it is there already.

        Waits for another session's transaction that copies the same chunk; raises LockTimeoutError.
        """
        claim = statement("claim_chunk", ledger=self.ledger)
        return bool(self.connection.execute(claim, table=table, chunk=chunk, rows=rows, rejects=rejects))

    def complete(self, chunk: str, drift: str | None) -> None:
        """Enter how long the copying of a claimed chunk took, and its drift counts as JSON, if there are any."""
        self.connection.execute(statement("complete_chunk", ledger=self.ledger), chunk=chunk, drift=drift)

    def claim_step(self, step: str) -> bool:
        """Enter something that is no chunk in the ledger; False if it is there already."""
        return bool(self.connection.execute(statement("claim_step", ledger=self.ledger), step=step))

    def count_calls(self) -> int:
        """Count this call of the load, and return how many there were since the last entry in the ledger."""
        [[calls]] = self.connection.query(statement("count_calls", ledger=self.ledger))
        return int(calls)

    def forget_steps(self, prefix: str) -> None:
        """Take back the steps whose names begin so."""
        self.connection.execute(statement("forget_steps", ledger=self.ledger), prefix=prefix)

    def export_parts(self, table: str) -> list[ExportPart]:
        """The parts of a table's export that are in S3, in their order."""
        parts = self.connection.query(statement("export_parts", ledger=self.ledger), prefix=_export_step(table))
        return [ExportPart(*part) for [part] in parts]

    def claim_export_part(self, table: str, number: int) -> bool:
        """Enter a part of an export, in the transaction that reads and sends it; False if it is there already."""
        return self.claim_step(_export_step(table, number))

    def complete_export_part(self, table: str, number: int, part: ExportPart) -> None:
        """Enter what S3 has of a claimed part."""
        complete = statement("complete_export_part", ledger=self.ledger)
        self.connection.execute(complete, step=_export_step(table, number), part=json.dumps(part))

    def forget_export(self, table: str) -> None:
        """Take all parts of a table's export back."""
        self.forget_steps(_export_step(table))

    def chunks(self) -> set[str]:
        """The chunks that are copied, by their keys."""
        return {key for [key] in self.connection.query(statement("copied_chunks", ledger=self.ledger))}

    def copied(self) -> dict[str, Copied]:
        """What is copied, by table."""
        totals = self.connection.query(statement("copied_totals", ledger=self.ledger))
        return {table: Copied(int(rows), int(rejects), float(seconds)) for table, rows, rejects, seconds in totals}

    def drop_empty_schema(self) -> None:
        """Drop the schema if a load made it and no run has shadows in it, for runs that leave nothing behind."""
        if self.connection.query(statement("empty_schema"), schema=self.schema):
            self.connection.execute(statement("drop_schema", schema=self.schema))

    def _refuse_missing_privileges(self) -> None:
        [[loader, found, allowed]] = self.connection.query(statement("schema_access"), schema=self.schema)
        if not allowed:
            schema, role = quote(self.schema), quote(loader)
            cure = f"GRANT USAGE, CREATE ON SCHEMA {schema} TO" if found else f"CREATE SCHEMA {schema} AUTHORIZATION"
            raise DatabasePrivilegeError(
                f"{self.schema}: expected a schema in which {loader} may create tables, found "
                f"{'one in which it may not' if found else 'none, and it may create none'}; run {cure} {role};"
            )


def _export_step(table: str, number: int | None = None) -> str:
    return f"export of {table}, part " + ("" if number is None else f"{number:05}")


def pipeline_schema(warehouse: str) -> str:
    """The pipeline's own schema, next to the one of the tables."""
    return f"{warehouse}_pipeline"


@contextmanager
def open_shadows(settings: PostgresSettings, run: Run, deadline: Deadline) -> Iterator[Shadows]:
    """Open a session for a run's shadows, none of whose statements outlasts the deadline.

    If the server's disk is full, they are dropped: what others have in the database needs the space. A redrive copies
    again. Raises what `open_session` raises.
    """
    seconds = max(1, deadline.seconds_left())
    try:
        with (
            open_session(settings, run.id, Timeouts(statement=seconds)) as connection,
            holders_named(connection, settings.schema, pipeline_schema(settings.schema)),
        ):
            yield Shadows(connection, settings.schema, run)
    except DiskFullError:
        with suppress(PipelineError), open_session(settings, run.id, Timeouts(statement=seconds)) as connection:
            shadows = Shadows(connection, settings.schema, run)
            drop_run(connection, shadows.schema, shadows.suffix, min(_DROP_SECONDS, seconds))
        raise
