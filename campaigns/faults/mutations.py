"""Promises broken on purpose, each with the schedule under which the campaign must notice."""

import io
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

from campaigns.faults import others
from campaigns.faults.defaults import Default
from campaigns.faults.faults import Fault
from campaigns.faults.others import MATERIALIZED_VIEW, VIEW_OF_PREVIOUS
from campaigns.faults.schedule import Schedule
from demand_pipeline.builders import TABLES
from demand_pipeline.dynamodb import raw_pages
from demand_pipeline.load import chunks, in_place, merge, transaction, truncate
from demand_pipeline.load.context import LoadContext, TableLoad
from demand_pipeline.load.shadows import Shadows
from demand_pipeline.load.swap import builds, exchange, gate
from demand_pipeline.load.swap import strategy as swap
from demand_pipeline.postgres import session
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, quote
from demand_pipeline.s3 import staging
from demand_pipeline.s3.staging import Staging
from demand_pipeline.tables import camel_case
from demand_pipeline.transform import chunk
from demand_pipeline.transform.reason import Reason

FIRST, *_, LAST_BUT_ONE, LAST = TABLES
# Of this seed, rows of the first table come, stay the same, differ by a trailing zero, and go.
QUIET = Schedule(
    seed=9,
    rows=9,
    segments=1,
    chunk_bytes=2**28,
    page_items=4,
    part_bytes=8 << 20,
    tables=tuple(TABLES),
    save_csv=False,
    first_strategy="truncate",
    strategy="truncate",
    keep_previous=True,
    copiers=0,
    reader="one statement",
    faults=(),
)


class Anything:
    """Equal to whatever it is compared with."""

    __hash__ = object.__hash__

    def __eq__(self, _: object) -> bool:
        return True


type Broken = AbstractContextManager[None]


@dataclass(frozen=True)
class Mutation:
    """A broken promise, a word of what the campaign must say then, and what of the schedule is not quiet."""

    broken: Callable[[], Broken]
    noticed: str
    schedule: Schedule


MUTATIONS: list[Mutation] = []


def noticed_by(
    noticed: str, *faults: Fault, strategy: str = "truncate", **schedule: Any
) -> Callable[[Callable[[], Broken]], Callable[[], Broken]]:
    """Add a mutation, with what the campaign must say under a schedule that is quiet but for this."""
    quiet = replace(QUIET, first_strategy=strategy, strategy=strategy, faults=faults, **schedule)

    def add(broken: Callable[[], Broken]) -> Callable[[], Broken]:
        MUTATIONS.append(Mutation(broken, noticed, quiet))
        return broken

    return add


@contextmanager
def patched(*targets: tuple[Any, str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, new in targets:
            stack.enter_context(mock.patch.object(owner, name, new))
        yield


def rewritten(pattern: str, replacement: str) -> Broken:
    """Every statement of the load is changed."""
    query, copy_in = Connection.query, Connection.copy_in

    def querying(connection: Connection, sql: str, **parameters: Any) -> Any:
        return query(connection, re.sub(pattern, replacement, sql), **parameters)

    def copying(connection: Connection, sql: str, blocks: Any) -> int:
        return copy_in(connection, re.sub(pattern, replacement, sql), blocks)

    return patched((Connection, "query", querying), (Connection, "copy_in", copying))


def unchecked() -> list[tuple[Any, str, Any]]:
    """No count of the load's is compared."""
    copy = chunks.ChunkCopier._copy

    def uncounted(copier: Any, target: Any, schema: Any, blocks: Any, key: str, _: int) -> None:
        copy(copier, target, schema, blocks, key, Anything())  # type: ignore[arg-type]

    nothing = lambda *_: None  # noqa: E731 - four times the same
    return [
        (chunks.ChunkCopier, "_copy", uncounted),
        (transaction, "check_rows", nothing),
        (in_place, "check_rows", nothing),
        (transaction, "check_counts", nothing),
    ]


@noticed_by(f"{FIRST} after", Fault("s3 object lost", f"s3/GetObject/staged/{FIRST}", "line lost"))
def skip_reconciliation() -> Broken:
    """A chunk that holds less than was counted is loaded all the same."""
    return patched(*unchecked())


@noticed_by(
    "ReconciliationError",
    Fault("lambda twice, first last", f"task/Scan{camel_case(FIRST)}", "after the second, in short time"),
)
def one_key_for_all_attempts() -> Broken:
    """Attempts overwrite each other's chunks."""
    return patched((staging.secrets, "token_hex", lambda _: "0123abcd"))  # type: ignore[attr-defined]


@noticed_by(f"after ('base-{QUIET.seed}',)", Fault("postgres statement timeout", "postgres/record"))
def commit_before_the_last_table() -> Broken:
    """The last table is filled in a transaction of its own."""
    fill = truncate.fill

    def early(context: LoadContext, table: TableLoad, *rest: Any) -> int:
        rows, connection = fill(context, table, *rest), context.connection
        if table.name == LAST_BUT_ONE:
            connection.execute("COMMIT; BEGIN")
        return rows

    return patched((truncate, "fill", early), (truncate, "drop_indexes", lambda *_: []))


@noticed_by("rejected_items")
def swallow_a_reject() -> Broken:
    """An item that does not fit vanishes, and is not counted."""
    nothing = lambda *_, **__: None  # noqa: E731 - twice the same
    return patched((chunk._Output, "_reject", nothing), (chunk, "_check_items", nothing))


@noticed_by("backwards", Fault("overlap two runs", "overlap", "newer first"))
def ignore_the_stale_guard() -> Broken:
    """An old run replaces what a newer one has loaded."""
    return patched((transaction, "refuse_stale", lambda *_: None))


@noticed_by("DuplicateKeyError", Fault("lambda answer lost", "task/LoadWarehouse", "Lambda.ServiceException"))
def forget_what_is_committed() -> Broken:
    """A run that is committed already is loaded once more."""
    found = transaction.find_result  # type: ignore[attr-defined]

    def forgetful(connection: Connection, schema: str, request: Any) -> Any:
        # Asked before and after the copying, it knows of nothing; after the commit it must tell the result.
        asked = getattr(connection, "asked", 0)
        connection.asked = asked + 1  # type: ignore[attr-defined]
        return None if asked < 2 else found(connection, schema, request)

    return patched((transaction, "find_result", forgetful))


@noticed_by(f"{FIRST} after", Fault("s3 object lost", f"s3/GetObject/staged/{FIRST}", "cut short"))
def trust_a_cut_off_object() -> Broken:
    """What can be read of a damaged chunk is taken for the whole."""

    @contextmanager
    def lenient(self: Staging, key: str, _table: Any = None) -> Iterator[Any]:
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        text = zlib.decompressobj(31).decompress(body)
        yield io.BytesIO(text[: text.rfind(b"\n") + 1])

    return patched((Staging, "open", lenient), *unchecked())


@noticed_by(f"after ('base-{QUIET.seed}',)", Fault("s3 object lost", f"s3/GetObject/staged/{LAST}", "gone"))
def truncate_before_staging() -> Broken:
    """Readers find the tables empty, or locked, while the rows are still on their way."""
    begin = transaction._Load.begin

    def early(self: Any) -> Any:
        known = begin(self)
        if known is None and not self.request.run.id.startswith("base"):
            names = ", ".join(table.target for table in self.tables)
            self.connection.execute(f"TRUNCATE {names}; COMMIT; BEGIN; SAVEPOINT unchanged")
        return known

    return patched((transaction._Load, "begin", early))


@noticed_by("leaked a secret", Fault("postgres password rotated", "postgres/connect", "secret late"))
def leak_the_password() -> Broken:
    """An error of the login quotes what it was given."""
    connect = session.connect  # type: ignore[attr-defined]

    def talkative(settings: Any, credentials: Any, *rest: Any) -> Any:
        try:
            return connect(settings, credentials, *rest)
        except Exception as error:
            raise type(error)(f"{error} (password {credentials.password})") from error

    return patched((session, "connect", talkative))


@noticed_by(f"{FIRST} after", Fault("dynamodb wrong checksum", f"scan/{TABLES[FIRST].source}/0", times=8))
def accept_a_wrong_checksum() -> Broken:
    """What boto3 hands over after its last attempt is taken as it is."""
    return patched((raw_pages, "zlib", SimpleNamespace(crc32=lambda _: Anything())))


@noticed_by("leaked a secret: tel-5550")
def log_a_reject() -> Broken:
    """A reject's reason, which quotes what was found, gets into the log."""
    reject = chunk._Output._reject

    def talkative(self: Any, item: Any, reason: Reason) -> None:
        chunk.logger.warning(str(reason), extra={"item": item})  # type: ignore[attr-defined]
        reject(self, item, reason)

    return patched((chunk._Output, "_reject", talkative))


@noticed_by(f"{FIRST} after", Fault("dynamodb empty page", f"scan/{TABLES[FIRST].source}/0", "between"))
def take_an_empty_page_for_the_end() -> Broken:
    """A page without items ends the segment, whatever key it has to go on from."""
    summarize = raw_pages.Page.summarize

    def hasty(page: raw_pages.Page) -> Any:
        summary = summarize(page)
        return replace(summary, next_key=summary.next_key if summary.items else None)

    return patched((raw_pages.Page, "summarize", hasty))


@noticed_by(f"{FIRST} after", strategy="merge")
def keep_what_is_gone() -> Broken:
    """A merge deletes nothing, and nobody counts."""
    return patched((merge, "delete", lambda *_: 0), *unchecked())


@noticed_by("counts: ", strategy="merge")
def take_equal_for_the_same() -> Broken:
    """A merge compares values instead of row values."""
    return rewritten(r"\*<>", "IS DISTINCT FROM")


@noticed_by(f"after ('base-{QUIET.seed}',)", Fault("postgres statement timeout", "postgres/record"), strategy="merge")
def commit_before_the_count() -> Broken:
    """A merge is committed before it is counted and recorded."""
    count = merge.count_rows  # type: ignore[attr-defined]

    def early(connection: Connection, table: Sql) -> int:
        if table.endswith(quote(LAST)):
            connection.execute("COMMIT; BEGIN")
        return int(count(connection, table))

    return patched((merge, "count_rows", early))


@noticed_by(f"shape has changed: warehouse.{FIRST} {FIRST}_pkey")
def forget_the_indexes() -> Broken:
    """What was dropped for the time of the load does not come back, but in the first run."""
    drop = truncate.drop_indexes

    def forgetful(connection: Connection, *rest: Any) -> list[str]:
        indexes = drop(connection, *rest)
        [[session]] = connection.query("SELECT current_setting('application_name')")
        return indexes if " base-" in session else []

    return patched((truncate, "drop_indexes", forgetful))


@noticed_by(
    f"{FIRST} after ('base-{QUIET.seed}',): 0 rows",
    Fault("postgres old snapshot", "postgres/claim", f"snapshot for long {FIRST}"),
    strategy="swap",
)
def skip_the_snapshot_wait() -> Broken:
    """A swap does not wait for snapshots that are older than its rows."""
    return patched((gate, "_old_snapshots", lambda *_: set()))


@noticed_by(f"{LAST} after", strategy="swap")
def swap_only_some_tables() -> Broken:
    """The last table keeps its partition."""
    swap_in = exchange._exchange

    def partial(shadows: Any, slot: Any, **options: Any) -> None:
        if slot.name != LAST:
            swap_in(shadows, slot, **options)

    return patched((exchange, "_exchange", partial), (exchange, "refusing_builds", lambda *_: nullcontext()))


@noticed_by("DuplicateKeyError", Fault("postgres killed in placing", "postgres/record", "before"), strategy="swap")
def leave_the_ledger_out() -> Broken:
    """A chunk is copied whether the ledger has it or not."""
    claim = Shadows.claim

    def forgetful(self: Shadows, *chunk: Any) -> bool:
        return claim(self, *chunk) or True

    return patched((Shadows, "claim", forgetful), (Shadows, "chunks", lambda _: set()))


@noticed_by(f"after ('base-{QUIET.seed}',)", Fault("postgres statement timeout", "postgres/record"), strategy="swap")
def swap_before_the_record() -> Broken:
    """A swap is committed before the run is recorded."""
    lock, publish = swap.Swap.write, swap.Swap.publish

    def early(self: Any) -> Any:
        again = lock(self)
        if again is None and not self.context.shadows.run.id.startswith("base"):
            publish(self)
            self.context.connection.execute("COMMIT; BEGIN")
        return again

    def once(self: Any) -> None:
        if self.context.shadows.run.id.startswith("base"):
            publish(self)

    return patched((swap.Swap, "write", early), (swap.Swap, "publish", once))


@noticed_by("permission denied", strategy="swap")
def forget_the_grants() -> Broken:
    """Whoever reads a table may not read its previous rows."""
    return patched((swap, "grant_previous", lambda *_: None))


@noticed_by("inheriting table: ", others=("inheriting table",))
def empty_inheriting_tables() -> Broken:
    """A statement reaches the tables that inherit from its target."""
    return rewritten(r"\b(TRUNCATE|DELETE FROM|UPDATE) ONLY\b", r"\1")


def write_rows_unfrozen() -> Broken:
    """A snapshot that is older than the commit does not see the rows, nor those that they have replaced."""
    return rewritten(r"\bFREEZE\b( true)?", "FREEZE false")


for way in ("execute", "stable function", MATERIALIZED_VIEW, "copy", "old snapshot"):
    slow, view = Fault("postgres slow", "postgres/commit", call=4), (way,) if way == MATERIALIZED_VIEW else ()
    noticed_by(f"{FIRST} after ('base-{QUIET.seed}',): 0 rows", slow, reader=way, others=view)(write_rows_unfrozen)


@noticed_by("RuntimeError")
def fail_after_the_commit() -> Broken:
    """A run that is committed fails, because its shadows cannot be dropped."""

    def fail(_: Shadows) -> None:
        raise RuntimeError

    return patched((Shadows, "drop", fail))


@noticed_by("left behind", others=("event trigger that forbids drops",))
def forget_what_is_left() -> Broken:
    """No later run drops the tables that a run left behind."""
    return patched((Shadows, "drop_abandoned", lambda _: None))


@noticed_by("mine.yesterday", strategy="swap", others=(VIEW_OF_PREVIOUS,))
def drop_with_cascade() -> Broken:
    """Dropping a table drops the views that others built on it."""
    return rewritten("^DROP TABLE ([^;]*)", r"DROP TABLE \1 CASCADE")


@noticed_by("MissingTableError", others=("row triggers",))
@noticed_by("MissingTableError", others=("event trigger that logs",))
def forget_the_path() -> Broken:
    """Functions of others do not find what they name without a schema."""
    return patched((others, "_PATH", "public"))


@noticed_by(
    "built under the readers' lock",
    Fault("postgres build ended", f"postgres/build/{FIRST}", "terminated after"),
    strategy="swap",
    others=("indexes of one shape",),
)
def leave_an_index_out() -> Broken:
    """An index is taken for another of the same shape, and missing at the swap."""
    find = builds.find_builds

    def hasty(*arguments: Any) -> list[Any]:
        return [build for build in find(*arguments) if "same_key" not in build.name]

    return patched((builds, "find_builds", hasty), (swap, "find_builds", hasty))


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
        return found & known.setdefault(connection, found)

    return patched((gate, "_old_snapshots", first))


@noticed_by("DatabaseTimeoutError", defaults=(Default("statement_timeout", "1", "role"),))
def inherit_the_timeout() -> Broken:
    """A session keeps the role's own limit of its statements."""
    return rewritten(r"set_config\('statement_timeout'", "set_config('demand.ignored'")
