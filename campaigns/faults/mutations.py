"""Promises broken on purpose, each with the schedule under which the campaign must notice."""

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

from campaigns.faults.faults import Fault
from campaigns.faults.schedule import Schedule
from demand_pipeline.builders import TABLES
from demand_pipeline.dynamodb import raw_pages
from demand_pipeline.load import chunks, in_place, merge, transaction, truncate
from demand_pipeline.load.context import LoadContext, TableLoad
from demand_pipeline.load.shadows import Shadows
from demand_pipeline.load.swap import exchange, gate
from demand_pipeline.load.swap import strategy as swap
from demand_pipeline.postgres import session
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, quote
from demand_pipeline.s3 import staging
from demand_pipeline.s3.staging import Staging
from demand_pipeline.tables import camel_case
from demand_pipeline.transform import chunk

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


@contextmanager
def patched(*targets: tuple[Any, str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, new in targets:
            stack.enter_context(mock.patch.object(owner, name, new))
        yield


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


def skip_reconciliation() -> AbstractContextManager[None]:
    """A chunk that holds less than was counted is loaded all the same."""
    return patched(*unchecked())


def one_key_for_all_attempts() -> AbstractContextManager[None]:
    """Attempts overwrite each other's chunks."""
    return patched((staging.secrets, "token_hex", lambda _: "0123abcd"))  # type: ignore[attr-defined]


def commit_before_the_last_table() -> AbstractContextManager[None]:
    """The last table is filled in a transaction of its own."""
    fill = truncate.fill

    def early(context: LoadContext, table: TableLoad, *rest: Any) -> int:
        rows, connection = fill(context, table, *rest), context.connection
        if table.name == LAST_BUT_ONE:
            connection.execute("COMMIT; BEGIN")
        return rows

    return patched((truncate, "fill", early), (truncate, "drop_indexes", lambda *_: []))


def swallow_a_reject() -> AbstractContextManager[None]:
    """An item that does not fit vanishes, and is not counted."""
    nothing = lambda *_, **__: None  # noqa: E731 - twice the same
    return patched((chunk._Output, "_reject", nothing), (chunk, "_check_items", nothing))


def ignore_the_stale_guard() -> AbstractContextManager[None]:
    """An old run replaces what a newer one has loaded."""
    return patched((transaction, "refuse_stale", lambda *_: None))


def forget_what_is_committed() -> AbstractContextManager[None]:
    """A run that is committed already is loaded once more."""
    found = transaction.find_result  # type: ignore[attr-defined]

    def forgetful(connection: Connection, schema: str, request: Any) -> Any:
        # Asked before and after the copying, it knows of nothing; after the commit it must tell the result.
        asked = getattr(connection, "asked", 0)
        connection.asked = asked + 1  # type: ignore[attr-defined]
        return None if asked < 2 else found(connection, schema, request)

    return patched((transaction, "find_result", forgetful))


def trust_a_cut_off_object() -> AbstractContextManager[None]:
    """What can be read of a damaged chunk is taken for the whole."""

    @contextmanager
    def lenient(self: Staging, key: str, _table: Any = None) -> Iterator[Any]:
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        text = zlib.decompressobj(31).decompress(body)
        yield io.BytesIO(text[: text.rfind(b"\n") + 1])

    return patched((Staging, "open", lenient), *unchecked())


def truncate_before_staging() -> AbstractContextManager[None]:
    """Readers find the tables empty, or locked, while the rows are still on their way."""
    begin = transaction._Load.begin

    def early(self: Any) -> Any:
        known = begin(self)
        if known is None and not self.request.run.id.startswith("base"):
            names = ", ".join(table.target for table in self.tables)
            self.connection.execute(f"TRUNCATE {names}; COMMIT; BEGIN; SAVEPOINT unchanged")
        return known

    return patched((transaction._Load, "begin", early))


def leak_the_password() -> AbstractContextManager[None]:
    """An error of the login quotes what it was given."""
    connect = session.connect  # type: ignore[attr-defined]

    def talkative(settings: Any, credentials: Any, *rest: Any) -> Any:
        try:
            return connect(settings, credentials, *rest)
        except Exception as error:
            raise type(error)(f"{error} (password {credentials.password})") from error

    return patched((session, "connect", talkative))


def accept_a_wrong_checksum() -> AbstractContextManager[None]:
    """What boto3 hands over after its last attempt is taken as it is."""
    return patched((raw_pages, "zlib", SimpleNamespace(crc32=lambda _: Anything())))


def log_a_reject() -> AbstractContextManager[None]:
    """A reject's reason, which quotes what was found, gets into the log."""
    reject = chunk._Output._reject

    def talkative(self: Any, item: Any, reason: str) -> None:
        chunk.logger.warning(reason, extra={"item": item})  # type: ignore[attr-defined]
        reject(self, item, reason)

    return patched((chunk._Output, "_reject", talkative))


def take_an_empty_page_for_the_end() -> AbstractContextManager[None]:
    """A page without items ends the segment, whatever key it has to go on from."""
    summarize = raw_pages.Page.summarize

    def hasty(page: raw_pages.Page) -> Any:
        summary = summarize(page)
        return replace(summary, next_key=summary.next_key if summary.items else None)

    return patched((raw_pages.Page, "summarize", hasty))


def keep_what_is_gone() -> AbstractContextManager[None]:
    """A merge deletes nothing, and nobody counts."""
    return patched((merge, "delete", lambda *_: 0), *unchecked())


def take_equal_for_the_same() -> AbstractContextManager[None]:
    """A merge compares values instead of row values."""
    execute = Connection.execute

    def lenient(connection: Connection, sql: str, **parameters: Any) -> int:
        return execute(connection, sql.replace("*<>", "IS DISTINCT FROM"), **parameters)

    return patched((Connection, "execute", lenient))


def commit_before_the_count() -> AbstractContextManager[None]:
    """A merge is committed before it is counted and recorded."""
    count = merge.count_rows  # type: ignore[attr-defined]

    def early(connection: Connection, table: Sql) -> int:
        if table.endswith(quote(LAST)):
            connection.execute("COMMIT; BEGIN")
        return int(count(connection, table))

    return patched((merge, "count_rows", early))


def forget_the_indexes() -> AbstractContextManager[None]:
    """What was dropped for the time of the load does not come back, but in the first run."""
    drop = truncate.drop_indexes

    def forgetful(connection: Connection, *rest: Any) -> list[str]:
        indexes = drop(connection, *rest)
        [[session]] = connection.query("SELECT current_setting('application_name')")
        return indexes if " base-" in session else []

    return patched((truncate, "drop_indexes", forgetful))


def skip_the_snapshot_wait() -> AbstractContextManager[None]:
    """A swap does not wait for snapshots that are older than its rows."""
    return patched((gate, "_old_snapshots", lambda *_: set()))


def swap_only_some_tables() -> AbstractContextManager[None]:
    """The last table keeps its partition."""
    swap_in = exchange._exchange

    def partial(shadows: Any, slot: Any, **options: Any) -> None:
        if slot.name != LAST:
            swap_in(shadows, slot, **options)

    return patched((exchange, "_exchange", partial))


def leave_the_ledger_out() -> AbstractContextManager[None]:
    """A chunk is copied whether the ledger has it or not."""
    claim = Shadows.claim

    def forgetful(self: Shadows, *chunk: Any) -> bool:
        return claim(self, *chunk) or True

    return patched((Shadows, "claim", forgetful), (Shadows, "chunks", lambda _: set()))


def swap_before_the_record() -> AbstractContextManager[None]:
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


def forget_the_grants() -> AbstractContextManager[None]:
    """Whoever reads a table may not read its previous rows."""
    return patched((swap, "grant", lambda *_: None))


@dataclass(frozen=True)
class Mutation:
    """A broken promise, when it shows, and a word of what the campaign must say then."""

    broken: Callable[[], AbstractContextManager[None]]
    noticed: str
    fault: Fault | None = None
    strategy: str = "truncate"

    @property
    def schedule(self) -> Schedule:
        """Quiet, but for the fault."""
        return replace(
            QUIET, first_strategy=self.strategy, strategy=self.strategy, faults=(self.fault,) if self.fault else ()
        )


MUTATIONS = [
    Mutation(
        skip_reconciliation, f"{FIRST} after", Fault("s3 object lost", f"s3/GetObject/staged/{FIRST}", "line lost")
    ),
    Mutation(
        one_key_for_all_attempts,
        "ReconciliationError",
        Fault("lambda twice, first last", f"task/Scan{camel_case(FIRST)}", "after the second, in short time"),
    ),
    Mutation(
        commit_before_the_last_table,
        f"after ('base-{QUIET.seed}',)",
        Fault("postgres statement timeout", "postgres/record"),
    ),
    Mutation(swallow_a_reject, "rejected_items"),
    Mutation(ignore_the_stale_guard, "backwards", Fault("overlap two runs", "overlap", "newer first")),
    Mutation(
        forget_what_is_committed,
        "DuplicateKeyError",
        Fault("lambda answer lost", "task/LoadWarehouse", "Lambda.ServiceException"),
    ),
    Mutation(
        trust_a_cut_off_object, f"{FIRST} after", Fault("s3 object lost", f"s3/GetObject/staged/{FIRST}", "cut short")
    ),
    Mutation(
        truncate_before_staging,
        f"after ('base-{QUIET.seed}',)",
        Fault("s3 object lost", f"s3/GetObject/staged/{LAST}", "gone"),
    ),
    Mutation(forget_the_indexes, f"shape has changed: warehouse.{FIRST} {FIRST}_pkey"),
    Mutation(keep_what_is_gone, f"{FIRST} after", strategy="merge"),
    Mutation(take_equal_for_the_same, "counts: ", strategy="merge"),
    Mutation(
        commit_before_the_count,
        f"after ('base-{QUIET.seed}',)",
        Fault("postgres statement timeout", "postgres/record"),
        strategy="merge",
    ),
    Mutation(
        skip_the_snapshot_wait,
        f"{FIRST} after ('base-{QUIET.seed}',): 0 rows",
        Fault("postgres old snapshot", "postgres/claim", "for long"),
        strategy="swap",
    ),
    Mutation(swap_only_some_tables, f"{LAST} after", strategy="swap"),
    Mutation(
        leave_the_ledger_out,
        "DuplicateKeyError",
        Fault("postgres killed in placing", "postgres/record", "before"),
        strategy="swap",
    ),
    Mutation(
        swap_before_the_record,
        f"after ('base-{QUIET.seed}',)",
        Fault("postgres statement timeout", "postgres/record"),
        strategy="swap",
    ),
    Mutation(forget_the_grants, "permission denied", strategy="swap"),
    Mutation(
        leak_the_password, "leaked a secret", Fault("postgres password rotated", "postgres/connect", "secret late")
    ),
    Mutation(log_a_reject, "leaked a secret: tel-5550"),
    Mutation(
        take_an_empty_page_for_the_end,
        f"{FIRST} after",
        Fault("dynamodb empty page", f"scan/{TABLES[FIRST].source}/0", "between"),
    ),
    Mutation(
        accept_a_wrong_checksum,
        f"{FIRST} after",
        Fault("dynamodb wrong checksum", f"scan/{TABLES[FIRST].source}/0", times=8),
    ),
]
