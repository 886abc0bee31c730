"""Mutations of promises to the other users of the warehouse: to readers, and to owners of objects and settings."""

from contextlib import nullcontext
from typing import Any

from campaigns.faults import others
from campaigns.faults.defaults import Default
from campaigns.faults.faults import Fault
from campaigns.faults.mutations.mutation import QUIET, Broken, noticed_by, patched, rewritten
from campaigns.faults.others import MATERIALIZED_VIEW, VIEW_OF_PREVIOUS
from demand_pipeline.builders import TABLES
from demand_pipeline.load import transaction
from demand_pipeline.load.swap import builds, exchange, gate
from demand_pipeline.load.swap import strategy as swap
from demand_pipeline.postgres.connection import Connection

FIRST = next(iter(TABLES))


@noticed_by("inheriting table: ", others=("inheriting table",))
def empty_inheriting_tables() -> Broken:
    """A statement also changes the tables that inherit from its target."""
    return rewritten(r"\b(TRUNCATE|DELETE FROM|UPDATE) ONLY\b", r"\1")


def write_rows_unfrozen() -> Broken:
    """A snapshot that is older than the commit sees neither the new rows nor the old ones."""
    return rewritten(r"\bFREEZE\b( true)?", "FREEZE false")


for way in ("execute", "stable function", MATERIALIZED_VIEW, "copy", "old snapshot"):
    slow, view = Fault("postgres slow", "postgres/record", call=4), (way,) if way == MATERIALIZED_VIEW else ()
    noticed_by(f"{FIRST} after ('base-{QUIET.seed}',): 0 rows", slow, reader=way, others=view)(write_rows_unfrozen)


@noticed_by("RuntimeError")
def fail_after_the_commit() -> Broken:
    """A committed run fails, because its shadows cannot be dropped."""

    def fail(*_: Any) -> list[str]:
        raise RuntimeError

    return patched((transaction, "drop_run", fail))


@noticed_by("left behind", others=("event trigger that forbids drops",))
def forget_what_is_left() -> Broken:
    """No later run drops the tables that a run left behind."""
    return patched((transaction, "drop_abandoned", lambda *_: []))


@noticed_by("mine.yesterday", strategy="swap", others=(VIEW_OF_PREVIOUS,))
def drop_with_cascade() -> Broken:
    """Dropping a table drops the views that others built on it."""
    return rewritten("^DROP TABLE ([^;]*)", r"DROP TABLE \1 CASCADE")


@noticed_by("MissingTableError", others=("row triggers",))
@noticed_by("MissingTableError", others=("event trigger that logs",))
def forget_the_path() -> Broken:
    """Functions of others do not find objects that they name without a schema."""
    return patched((others, "_PATH", "public"))


@noticed_by(
    "built under the readers' lock",
    Fault("postgres build ended", f"postgres/build/{FIRST}", "terminated after"),
    strategy="swap",
    others=("indexes of one shape",),
)
def leave_an_index_out() -> Broken:
    """An index is mistaken for another with the same definition, and is missing at the swap."""
    find = builds.find_builds

    def hasty(*arguments: Any) -> list[Any]:
        return [build for build in find(*arguments) if "same_key" not in build.name]

    unrefused = (exchange, "refusing_builds", lambda *_: nullcontext())
    return patched((builds, "find_builds", hasty), (swap, "find_builds", hasty), unrefused)


@noticed_by("SQLSTATE 55000", others=("publication",))
def leave_rejects_unidentified() -> Broken:
    """The table without a key has no replica identity."""
    return rewritten("REPLICA IDENTITY FULL", "REPLICA IDENTITY DEFAULT")


@noticed_by(
    f"{FIRST} after ('base-{QUIET.seed}',): 0 rows",
    Fault("postgres old snapshot", "postgres/claim", f"imported for long {FIRST}"),
    strategy="swap",
)
def forget_who_imports_a_snapshot() -> Broken:
    """A swap waits only for the sessions that had an old snapshot at first."""
    look, known = gate._old_snapshots, dict[Connection, Any]()

    def first(connection: Connection, *rest: Any) -> Any:
        found = look(connection, *rest)
        return [pid for pid in found if pid in known.setdefault(connection, found)]

    return patched((gate, "_old_snapshots", first))


@noticed_by("DatabaseTimeoutError", defaults=(Default("statement_timeout", "1", "role"),))
def inherit_the_timeout() -> Broken:
    """A session keeps the role's statement timeout."""
    return rewritten(r"SET statement_timeout = 0;|\('statement_timeout', '\d+'\),", "")
