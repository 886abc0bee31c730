"""Indexes and foreign keys of a shadow, and its VACUUM: they may outlast the function that started them.

PostgreSQL finishes a statement after its client has disconnected, unless `client_connection_check_interval` is set. So
a call of the load starts a build, waits for a while and disconnects, and the next call checks the result. The ledger
counts how often each build was started.
"""

import time
from dataclasses import dataclass

from demand_pipeline.deadline import Deadline
from demand_pipeline.errors import (
    DatabaseDataError,
    DatabaseError,
    DiskFullError,
    PipelineError,
    RefusedRowError,
    TransientError,
)
from demand_pipeline.load.copy.ledger import Kind
from demand_pipeline.load.copy.shadows import Shadows
from demand_pipeline.load.swap.parent import is_missing
from demand_pipeline.load.swap.slots import Slot
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from demand_pipeline.postgres.statements import Sql, Statements, listed
from demand_pipeline.settings import PostgresSettings

statement = Statements(__package__)

_WAIT_SECONDS = 60.0  # how long a call waits for builds
_PAUSE_SECONDS = 0.5
_IDLE_SECONDS = 10.0  # between two statements of a client that works
_TRIES = 2


@dataclass(frozen=True, slots=True)
class Build:
    """An index or a foreign key that a table lacks, and the statement that creates it."""

    name: str
    statement: str


def find_builds(connection: Connection, slot: Slot, table: Sql) -> list[Build]:
    """Return the indexes and foreign keys that a table lacks to become a slot's partition; PostgreSQL names indexes."""
    if not is_missing(connection, slot.parent):
        foreign_keys = connection.query(statement("foreign_key_builds"), parent=slot.parent, child=table)
        return find_index_builds(connection, slot.parent, table) + [Build(*build) for build in foreign_keys]
    [[*_, key]] = connection.query(statement("relation"), relation=table)
    if key or not slot.schema.key:
        return []
    return [Build(f"{slot.name}_pkey", statement("add_primary_key", table=table, key=listed(slot.schema.key)))]


def find_index_builds(connection: Connection, parent: Sql, table: Sql) -> list[Build]:
    """Return the indexes that a table lacks to become a parent's partition."""
    builds = connection.query(statement("index_builds"), parent=parent, child=table, named=False)
    return [Build(*build) for build in builds]


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds what the shadows of a run's slots lack, one build after the other, in a separate session."""

    shadows: Shadows
    settings: PostgresSettings
    deadline: Deadline

    def build(self, slots: list[Slot]) -> bool:
        """Continue the builds; False if some are left for a later call.

        Raises DuplicateKeyError, DiskFullError, or the error of a build that failed twice.
        """
        seconds = max(1.0, min(_WAIT_SECONDS, self.deadline.seconds_left()))
        with open_session(self.settings, f"build {self.shadows.suffix}", Timeouts(statement=seconds)) as session:
            session.query(statement("outlive_client"), idle=f"{_IDLE_SECONDS:g}s")
            return (
                self._wait_for_others(session, seconds)
                and all(self._build(session, slot) for slot in slots)
                and all(self._vacuum(session, slot) for slot in slots)
            )

    def _wait_for_others(self, session: Connection, seconds: float) -> bool:
        """Wait for the session of an earlier call, whether or not its client still exists."""
        end = time.monotonic() + seconds
        while not self._claim_builds(session):
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE_SECONDS)
        return True

    def _claim_builds(self, session: Connection) -> bool:
        session.execute(statement("begin"))
        ledger, entry = self.shadows.ledger.table, Kind.BUILDER.entry()
        session.execute(statement("lock_builder", ledger=ledger), entry=entry)
        claimed = session.execute(statement("claim_builds", ledger=ledger), entry=entry)
        session.execute("COMMIT")
        return bool(claimed)

    def _build(self, session: Connection, slot: Slot) -> bool:
        shadow = self.shadows.rows(slot.name)
        for build in find_builds(session, slot, shadow):
            number = self._claim_try(slot, build.name)
            logger.info("building", table=slot.name, build=build.name, number=number)
            try:
                session.execute(build.statement)
            except (DatabaseDataError, RefusedRowError, DiskFullError):
                raise
            except TransientError:
                return False  # the time or the connection ended; the statement continues on the server
            except PipelineError as error:
                if number == _TRIES:
                    self._forget_tries(slot, build.name)
                    raise
                logger.warning("build failed, will be started again", build=build.name, error=type(error).__name__)
                return False
        return True

    def _claim_try(self, slot: Slot, name: str) -> int:
        for number in range(1, _TRIES + 1):
            if self.shadows.ledger.claim(Kind.BUILD, slot.name, name, str(number)):
                return number
        self._forget_tries(slot, name)
        raise DatabaseError(f"{slot.name}: {name} was started {_TRIES} times, each time without a result")

    def _forget_tries(self, slot: Slot, name: str) -> None:
        """Reset the count of tries, since the load fails: its redrive starts the build again."""
        self.shadows.ledger.forget(Kind.BUILD, slot.name, name)

    def _vacuum(self, session: Connection, slot: Slot) -> bool:
        """Collect rough statistics and create the visibility map, which index-only scans need; tried once."""
        if self.shadows.ledger.claim(Kind.VACUUM, slot.name):
            try:
                session.execute(statement("make_statistics_rough"))
                session.execute(statement("vacuum", table=self.shadows.rows(slot.name)))
            except PipelineError as error:
                logger.warning("no VACUUM, or not yet", table=slot.name, error=type(error).__name__)
                return False
        return True
