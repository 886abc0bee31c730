"""Mutations of the load's own promises: every item once, all tables or none, the newest run, no secret in a log."""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from campaigns.faults.faults import Fault
from campaigns.faults.mutations.mutation import QUIET, Broken, noticed_by, patched, rewritten
from demand_pipeline.builders import TABLES
from demand_pipeline.dynamodb import raw_pages
from demand_pipeline.load import transaction
from demand_pipeline.load.context import LoadContext, TableLoad
from demand_pipeline.load.copy import chunks
from demand_pipeline.load.copy.ledger import Ledger
from demand_pipeline.load.in_place import merge, truncate
from demand_pipeline.load.in_place import strategy as in_place
from demand_pipeline.load.swap import exchange, gate
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


class Anything:
    """Equal to every other value."""

    __hash__ = object.__hash__

    def __eq__(self, _: object) -> bool:
        return True


def unchecked() -> list[tuple[Any, str, Any]]:
    """The load compares no counts."""
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
    """A chunk with fewer lines than counted is loaded."""
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
    """The last table is filled in a separate transaction."""
    fill = truncate.fill

    def early(context: LoadContext, table: TableLoad, *rest: Any) -> int:
        rows, connection = fill(context, table, *rest), context.connection
        if table.name == LAST_BUT_ONE:
            connection.execute(f"COMMIT; BEGIN; TRUNCATE {context.tables[-1].target}")  # required by FREEZE
        return rows

    return patched((truncate, "fill", early), (truncate, "drop_indexes", lambda *_: []))


@noticed_by("rejected_items")
def swallow_a_reject() -> Broken:
    """A rejected item vanishes, and is not counted."""
    nothing = lambda *_, **__: None  # noqa: E731 - twice the same
    return patched((chunk._Output, "_reject", nothing), (chunk, "_check_items", nothing))


@noticed_by("backwards", Fault("overlap two runs", "overlap", "newer first"))
def ignore_the_stale_guard() -> Broken:
    """An old run replaces the rows of a newer one."""
    return patched((transaction, "refuse_stale", lambda *_: None))


@noticed_by("DuplicateKeyError", Fault("lambda answer lost", "task/LoadWarehouse", "Lambda.ServiceException"))
def forget_what_is_committed() -> Broken:
    """A run that is already committed is loaded again."""
    found = transaction.find_result  # type: ignore[attr-defined]

    def forgetful(connection: Connection, schema: str, request: Any) -> Any:
        # Before and after copying, it finds nothing; after the commit, it must return the result.
        asked = getattr(connection, "asked", 0)
        connection.asked = asked + 1  # type: ignore[attr-defined]
        return None if asked < 2 else found(connection, schema, request)

    return patched((transaction, "find_result", forgetful))


@noticed_by(f"{FIRST} after", Fault("s3 object lost", f"s3/GetObject/staged/{FIRST}", "cut short"))
def trust_a_cut_off_object() -> Broken:
    """The readable part of a damaged chunk is loaded as the whole chunk."""

    @contextmanager
    def lenient(self: Staging, key: str, _table: Any = None) -> Iterator[Any]:
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        text = zlib.decompressobj(31).decompress(body)
        yield io.BytesIO(text[: text.rfind(b"\n") + 1])

    return patched((Staging, "open", lenient), *unchecked())


@noticed_by(f"after ('base-{QUIET.seed}',)", Fault("s3 object lost", f"s3/GetObject/staged/{LAST}", "gone"))
def truncate_before_staging() -> Broken:
    """The tables are empty, or locked, before the new rows arrive."""
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
    """An error of the login quotes the password."""
    connect = session.connect  # type: ignore[attr-defined]

    def talkative(settings: Any, credentials: Any, *rest: Any) -> Any:
        try:
            return connect(settings, credentials, *rest)
        except Exception as error:
            raise type(error)(f"{error} (password {credentials.password})") from error

    return patched((session, "connect", talkative))


@noticed_by(f"{FIRST} after", Fault("dynamodb wrong checksum", f"scan/{TABLES[FIRST].source}/0", times=8))
def accept_a_wrong_checksum() -> Broken:
    """The damaged page that boto3 returns after its last attempt is accepted."""
    return patched((raw_pages, "zlib", SimpleNamespace(crc32=lambda _: Anything())))


@noticed_by("leaked a secret: tel-5550")
def log_a_reject() -> Broken:
    """A reject's reason, which quotes the value, is logged."""
    reject = chunk._Output._reject

    def talkative(self: Any, item: Any, reason: Reason) -> None:
        chunk.logger.warning(str(reason), extra={"item": item})  # type: ignore[attr-defined]
        reject(self, item, reason)

    return patched((chunk._Output, "_reject", talkative))


@noticed_by(f"{FIRST} after", Fault("dynamodb empty page", f"scan/{TABLES[FIRST].source}/0", "between"))
def take_an_empty_page_for_the_end() -> Broken:
    """A page without items ends the segment, even if it has a next key."""
    summarize = raw_pages.Page.summarize

    def hasty(page: raw_pages.Page) -> Any:
        summary = summarize(page)
        return replace(summary, next_key=summary.next_key if summary.items else None)

    return patched((raw_pages.Page, "summarize", hasty))


@noticed_by(f"{FIRST} after", strategy="merge")
def keep_what_is_gone() -> Broken:
    """A merge deletes nothing, and the load compares no counts."""
    return patched((merge, "delete", lambda *_: 0), *unchecked())


@noticed_by("counts: ", strategy="merge")
def take_equal_for_the_same() -> Broken:
    """A merge compares values instead of row values."""
    return rewritten(r"OPERATOR\(pg_catalog\.\*<>\)", "IS DISTINCT FROM")


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
    """Indexes that were dropped for the load are not created again, except in the first run."""
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
    """A chunk is copied even if it is in the ledger."""
    claim = Ledger.claim_chunk

    def forgetful(self: Ledger, *chunk: Any) -> bool:
        return claim(self, *chunk) or True

    return patched((Ledger, "claim_chunk", forgetful), (Ledger, "chunks", lambda _: set()))


@noticed_by(f"after ('base-{QUIET.seed}',)", Fault("postgres statement timeout", "postgres/record"), strategy="swap")
def swap_before_the_record() -> Broken:
    """A swap is committed before the run is recorded."""
    lock, publish = swap.Swap.prepare_rows, swap.Swap.publish

    def early(self: Any) -> Any:
        again = lock(self)
        if again is None and not self.context.shadows.run.id.startswith("base"):
            publish(self)
            self.context.connection.execute("COMMIT; BEGIN")
        return again

    def once(self: Any) -> None:
        if self.context.shadows.run.id.startswith("base"):
            publish(self)

    return patched((swap.Swap, "prepare_rows", early), (swap.Swap, "publish", once))


@noticed_by("permission denied", strategy="swap")
def forget_the_grants() -> Broken:
    """A table's readers may not read its previous rows."""
    return patched((swap, "grant_previous", lambda *_: None))
