"""A run's working tables: shadows of each table and of its rejects, and the ledger, which records their contents.

They are in a separate schema, `{schema}_pipeline`, and their names end in the run's digest. `truncate` and `merge` only
read from shadows, so those are unlogged: a crash of the server empties them together with the ledger.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from demand_pipeline.contracts.event import Run
from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import DatabasePrivilegeError, DiskFullError, PipelineError
from demand_pipeline.load.copy.ledger import Ledger
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
    def ledger(self) -> Ledger:
        """The ledger."""
        return Ledger(self.connection, self.rows(LEDGER))

    def create(self, tables: Iterable[TableSchema]) -> None:
        """Create missing shadows, in the caller's transaction; raises DatabasePrivilegeError with the cure."""
        self.ensure_schema()
        for schema in tables:
            for shadow, like in ((self.rows(schema.name), schema), (self.rejects(schema.name), REJECTED_ITEMS)):
                self.connection.execute(statement("create_shadow", table=shadow, definition=like.definition()))
        self.ledger.create(Sql("UNLOGGED"))

    def ensure_schema(self) -> None:
        """Create the shadows' schema if it is missing; raises DatabasePrivilegeError with the statement to run."""
        self._refuse_missing_privileges()
        ensure_schema(self.connection, self.schema)

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
