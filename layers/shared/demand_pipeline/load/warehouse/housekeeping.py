"""Drops the tables that runs leave in the pipeline's schema, one by one, and reports each table that stays.

A table that stays does not fail a run. It may be in use, or another role's view may depend on it; a later run retries.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

from demand_pipeline.errors import PipelineError
from demand_pipeline.observability import logger
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Statements, qualified

statement = Statements(__package__)

LEDGER = "pipeline_ledger"
"""The prefix of a ledger's name. The name ends in the suffix of all tables of its run."""

# A live run writes to its ledger at least once per function call, which takes at most 15 minutes.
_ABANDONED_MINUTES = 45
_LOCK_SECONDS = 2.0  # per table; a table in use stays
_SUFFIX = re.compile(r"_[0-9a-f]{12}\Z")


def drop_run(connection: Connection, schema: str, suffix: str, lock_seconds: float = _LOCK_SECONDS) -> list[str]:
    """Drop the tables of a run, in a separate transaction; return a line for each that stays, with the reason."""
    connection.execute(statement("begin"))
    warnings = list(_drop(connection, schema, _tables(connection, schema).get(suffix, []), lock_seconds))
    connection.execute("COMMIT")
    return warnings


def drop_abandoned(connection: Connection, schema: str, own: str) -> list[str]:
    """Drop the tables that runs with a suffix other than `own` no longer need; return a line for each that stays.

    The caller's transaction holds the load lock. A run without a ledger has ended. A run without a recent entry in its
    ledger is abandoned; if it is redriven, it copies again.
    """
    tables = _tables(connection, schema)
    ended = [suffix for suffix, names in tables.items() if suffix != own and _needs_none(connection, schema, names)]
    return [warning for suffix in ended for warning in _drop(connection, schema, tables[suffix], _LOCK_SECONDS)]


def _tables(connection: Connection, schema: str) -> dict[str, list[str]]:
    """Return the names of all runs' tables by suffix, each run's ledger first."""
    names = [str(name) for [name] in connection.query(statement("own_tables"), schema=schema)]
    found = sorted((match[0], not _is_ledger(name), name) for name in names if (match := _SUFFIX.search(name)))
    return {suffix: [name for *_, name in group] for suffix, group in groupby(found, lambda each: each[0])}


def _is_ledger(name: str) -> bool:
    return name.startswith(LEDGER)


def _needs_none(connection: Connection, schema: str, names: list[str]) -> bool:
    if not _is_ledger(names[0]):
        return True
    try:
        with _savepoint(connection, _LOCK_SECONDS):
            [[minutes]] = connection.query(statement("ledger_age", ledger=qualified(schema, names[0])))
    except PipelineError as error:  # in use, or just dropped
        logger.info("ledger not read", table=names[0], reason=str(error))
        return False
    return bool(minutes > _ABANDONED_MINUTES)


def _drop(connection: Connection, schema: str, names: list[str], lock_seconds: float) -> Iterator[str]:
    """Drop a run's tables in the caller's transaction; if the ledger stays, so do all tables that it describes."""
    for name in names:
        if reason := _try_drop(connection, schema, name, lock_seconds):
            logger.warning("table not dropped", table=name, reason=reason)
            yield f"{schema}.{name} was not dropped, a later run tries again: {reason}"
            if _is_ledger(name):
                return
        else:
            logger.info("table dropped", table=name)


def _try_drop(connection: Connection, schema: str, name: str, lock_seconds: float) -> str:
    """Drop one table; return the reason if it stays."""
    table = qualified(schema, name)
    try:
        with _savepoint(connection, lock_seconds):
            connection.execute(statement("drop_table", table=table))
    except PipelineError as error:
        dependants = [str(dependant) for [dependant] in connection.query(statement("dependants"), relation=table)]
        return f"{', '.join(dependants)} depends on it" if dependants else str(error)
    return ""


@contextmanager
def _savepoint(connection: Connection, lock_seconds: float) -> Iterator[None]:
    """Keep the transaction usable if the block fails; from here on, waits for locks are limited to `lock_seconds`."""
    connection.execute("SAVEPOINT housekeeping")
    connection.query(statement("limit_lock_waits"), seconds=f"{lock_seconds:g}s")
    try:
        yield
    except PipelineError:
        connection.execute("ROLLBACK TO SAVEPOINT housekeeping")
        raise
    connection.execute("RELEASE SAVEPOINT housekeeping")
