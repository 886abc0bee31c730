"""A run's working tables: shadows of each table and of its rejects, and the ledger, which records their contents.

They are in a separate schema, `{schema}_pipeline`, and their names end in the run's digest. A chunk's entry in the
ledger is committed with its rows. So after a crash, a redrive or a concurrent attempt, exactly the chunks without an
entry remain to be copied. `truncate` and `merge` only read from shadows, so those are unlogged: a crash of the server
empties them together with the ledger.
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
from demand_pipeline.load.warehouse.control_tables import REJECTED_ITEMS
from demand_pipeline.load.warehouse.holders import holders_named
from demand_pipeline.load.warehouse.housekeeping import LEDGER, drop_run
from demand_pipeline.load.warehouse.schema import TableSchema, ensure_schema, pipeline_schema
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.statements import Sql, Statements, qualified, quote
from demand_pipeline.settings import PostgresSettings

statement = Statements(__package__)

REJECTS_PREFIX = "rejects_"
"""The prefix of the name of a shadow of rejects."""

# When the disk is full: how long to wait for other sessions that copy into the same shadows, before dropping them.
_DROP_SECONDS = 60.0


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
class Shadows:
    """The shadows of a run that loads into the schema `warehouse`."""

    connection: Connection
    warehouse: str
    run: Run

    @property
    def schema(self) -> str:
        """The schema of all runs' shadows."""
        return pipeline_schema(self.warehouse)

    @property
    def suffix(self) -> str:
        """The suffix of the names of the run's tables."""
        started = self.run.started_at.isoformat()  # a name, and so an ARN, may be reused after 90 days
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
        """Whether the run has shadows."""
        [[found]] = self.connection.query(statement("relation_exists"), relation=self.ledger)
        return bool(found)

    def create(self, tables: Iterable[TableSchema]) -> None:
        """Create missing shadows, in the caller's transaction; raises DatabasePrivilegeError with the cure."""
        self.ensure_schema()
        for schema in tables:
            for shadow, like in ((self.rows(schema.name), schema), (self.rejects(schema.name), REJECTED_ITEMS)):
                self.connection.execute(statement("create_shadow", table=shadow, definition=like.definition()))
        self.create_ledger(Sql("UNLOGGED"))

    def create_ledger(self, kind: Sql) -> None:
        """Create the ledger if it is missing; `kind` must be UNLOGGED exactly if the shadows are."""
        self.connection.execute(statement("create_ledger", kind=kind, ledger=self.ledger))

    def ensure_schema(self) -> None:
        """Create the shadows' schema if it is missing; raises DatabasePrivilegeError with the statement to run."""
        self._refuse_missing_privileges()
        ensure_schema(self.connection, self.schema)

    def touch(self) -> None:
        """Record in the ledger that the run is alive."""
        self.connection.execute(statement("touch_ledger", ledger=self.ledger))

    def claim(self, table: str, chunk: str, rows: int, rejects: int) -> bool:
        """Record a chunk in the ledger, in the transaction that copies it; False if it is already there.

        Waits for another session's transaction that copies the same chunk; raises LockTimeoutError.
        """
        claim = statement("claim_chunk", ledger=self.ledger)
        return bool(self.connection.execute(claim, table=table, chunk=chunk, rows=rows, rejects=rejects))

    def complete(self, chunk: str, drift: str | None) -> None:
        """Record the copying time of a claimed chunk, and its drift counts as JSON, if there are any."""
        self.connection.execute(statement("complete_chunk", ledger=self.ledger), chunk=chunk, drift=drift)

    def claim_step(self, step: str) -> bool:
        """Record a step other than a chunk in the ledger; False if it is already there."""
        return bool(self.connection.execute(statement("claim_step", ledger=self.ledger), step=step))

    def count_calls(self) -> int:
        """Count this call of the load, and return the number of calls since the last entry in the ledger."""
        [[calls]] = self.connection.query(statement("count_calls", ledger=self.ledger))
        return int(calls)

    def forget_steps(self, prefix: str) -> None:
        """Delete the ledger's steps whose names start with `prefix`."""
        self.connection.execute(statement("forget_steps", ledger=self.ledger), prefix=prefix)

    def export_parts(self, table: str) -> list[ExportPart]:
        """Return the parts of a table's export that are in S3, in order."""
        parts = self.connection.query(statement("export_parts", ledger=self.ledger), prefix=_export_step(table))
        return [ExportPart(*part) for [part] in parts]

    def claim_export_part(self, table: str, number: int) -> bool:
        """Record a part of an export, in the transaction that reads and sends it; False if it is already there."""
        return self.claim_step(_export_step(table, number))

    def complete_export_part(self, table: str, number: int, part: ExportPart) -> None:
        """Record the upload and the tag of a claimed part."""
        complete = statement("complete_export_part", ledger=self.ledger)
        self.connection.execute(complete, step=_export_step(table, number), part=json.dumps(part))

    def forget_export(self, table: str) -> None:
        """Delete all parts of a table's export from the ledger."""
        self.forget_steps(_export_step(table))

    def chunks(self) -> set[str]:
        """Return the keys of the copied chunks."""
        return {key for [key] in self.connection.query(statement("copied_chunks", ledger=self.ledger))}

    def copied(self) -> dict[str, Copied]:
        """Return the ledger's totals, by table."""
        totals = self.connection.query(statement("copied_totals", ledger=self.ledger))
        return {table: Copied(int(rows), int(rejects), float(seconds)) for table, rows, rejects, seconds in totals}

    def drop_empty_schema(self) -> None:
        """Drop the schema if the load's role owns it and it is empty, so that a dry run leaves nothing behind."""
        if self.connection.query(statement("empty_schema"), schema=self.schema):
            self.connection.execute(statement("drop_schema", schema=self.schema))

    def _refuse_missing_privileges(self) -> None:
        [[loader, found, allowed]] = self.connection.query(statement("schema_access"), schema=self.schema)
        if not allowed:
            schema, role = quote(self.schema), quote(loader)
            cure = f"GRANT USAGE, CREATE ON SCHEMA {schema} TO" if found else f"CREATE SCHEMA {schema} AUTHORIZATION"
            raise DatabasePrivilegeError(
                f"{self.schema}: {loader} {'may not create tables in it' if found else 'may not create this schema'}; "
                f"run {cure} {role};"
            )


def _export_step(table: str, number: int | None = None) -> str:
    return f"export of {table}, part " + ("" if number is None else f"{number:05}")


@contextmanager
def open_shadows(settings: PostgresSettings, run: Run, deadline: Deadline) -> Iterator[Shadows]:
    """Open a session for a run's shadows, whose statements end before the deadline.

    If the server's disk is full, the shadows are dropped, since other users of the database need the space. A redrive
    copies the chunks again. Raises the errors of `open_session`.
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
