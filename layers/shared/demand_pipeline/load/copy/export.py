"""Writes new rows as CSV to S3, part by part, so that the export of a large table can take several calls of the load.

The ledger records the progress of a table's export: a part's entry is committed once the part is in S3.
"""

import io
from dataclasses import dataclass
from typing import BinaryIO, cast

from botocore.exceptions import ClientError

from demand_pipeline import clients
from demand_pipeline.load.context import LoadContext, TableLoad
from demand_pipeline.load.copy.ledger import ExportPart, Kind
from demand_pipeline.load.guard import Pace
from demand_pipeline.observability import logger
from demand_pipeline.postgres.statements import Sql, Statements, listed
from demand_pipeline.s3 import gzip_format, multipart
from demand_pipeline.s3.multipart import Multipart
from demand_pipeline.s3.staging import Staging, export_key

statement = Statements(__package__)

# About how many bytes of items one statement reads. Their compressed rows stay in memory until a part is complete.
_STATEMENT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Exporter:
    """Writes `exports/{run}/{table}.csv.gz` from a run's shadows: a header line, then one row per record.

    PostgreSQL's CSV: an empty field is null, `""` the empty string. Each part is a separate gzip stream; RFC 1952
    allows several in one file. Raises TransientError, DeadlineError.
    """

    context: LoadContext
    staging: Staging

    def export(self, table: TableLoad) -> bool:
        """Continue a table's export; False if the rest needs another call."""
        ledger, pace = self.context.shadows.ledger, Pace(self.context.guard.deadline)
        while not ((parts := ledger.export_parts(table.name)) and parts[-1].is_last):
            if not pace.allows_one_more():
                return False
            with pace.timed():
                self._export_part(table, parts)
        logger.info("table exported", table=table.name, parts=len(parts))
        return True

    def _export_part(self, table: TableLoad, parts: list[ExportPart]) -> None:
        connection, ledger = self.context.connection, self.context.shadows.ledger
        connection.execute(statement("begin"))
        with self.context.guard.step(f"{table.name}, all {table.rows} rows copied, {len(parts)} parts exported"):
            if ledger.claim_export_part(table.name, len(parts)):
                body, end = self._read(table, (parts[-1].end or 0) if parts else 0)
                ledger.complete_export_part(table.name, len(parts), self._send(table, parts, body, end))
            connection.execute("COMMIT")

    def _read(self, table: TableLoad, start: int) -> tuple[BinaryIO, int | None]:
        """Read the rows of one part, from a block of the shadow on; return them and the next block (None: no more)."""
        connection, sink = self.context.connection, io.BytesIO()
        [[blocks]] = connection.query(statement("count_blocks"), relation=table.shadow)
        step = max(1, blocks * _STATEMENT_BYTES // max(1, table.staged.bytes))
        end = start
        with gzip_format.writer(cast("BinaryIO", sink)) as stream:
            while end == start or (end < blocks and sink.tell() < multipart.PART_BYTES):
                bounds = {"first": Sql(str(end)), "end": Sql(str(end + step))}
                copy = statement(
                    "copy_out",
                    table=table.shadow,
                    columns=listed(table.schema.names),
                    header=Sql("HEADER true" if end == 0 else "HEADER false"),
                    **bounds,
                )
                connection.copy_out(copy, stream)
                end += step
        sink.seek(0)
        return sink, end if end < blocks else None

    def _send(self, table: TableLoad, parts: list[ExportPart], body: BinaryIO, end: int | None) -> ExportPart:
        key = export_key(self.context.shadows.run, table.name)
        s3, bucket = self.staging.s3, self.staging.bucket
        with clients.translate_errors(f"writing {key}"):
            if end is None and not parts:
                s3.put_object(Bucket=bucket, Key=key, Body=body)
                return ExportPart(end)
            try:
                upload = Multipart(s3, bucket, key, parts[0].upload) if parts else Multipart.start(s3, bucket, key)
                part = ExportPart(end, upload.id, upload.send(len(parts) + 1, body))
                if part.is_last:
                    upload.complete([part.tag for part in (*parts, part)])
            except ClientError as error:
                if clients.error_code(error) == "NoSuchUpload":
                    self._start_again(table)
                raise
        return part

    def _start_again(self, table: TableLoad) -> None:
        """Restart the export: a call with a lost answer completed the upload, or the bucket's lifecycle removed it."""
        self.context.connection.execute("ROLLBACK")
        self.context.shadows.ledger.forget(Kind.EXPORT_PART, table.name)
