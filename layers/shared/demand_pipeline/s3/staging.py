"""Chunks in S3: their keys, and streams to write and read them."""

import io
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, BinaryIO, cast

from botocore.exceptions import ClientError

from demand_pipeline import clients
from demand_pipeline.contracts.event import Run
from demand_pipeline.errors import StagingError
from demand_pipeline.s3 import gzip_format
from demand_pipeline.s3.upload import Upload
from demand_pipeline.tables import Table

_READ_BYTES = 1 << 18
# The metadata of a staged object: the fingerprint of its rows' columns.
_COLUMNS = "columns"


class ChunkKind(StrEnum):
    """The content of a chunk's object."""

    RAW = "raw"  # pages as DynamoDB sent them, one per line
    STAGED = "staged"  # rows, one JSON array per line
    REJECTS = "rejects"  # rejects: key, reason and the item itself, one per line
    DRIFT = "drift"  # unexpected attributes: path, DynamoDB type and number of items, one per line


def chunk_key(run: Run, kind: ChunkKind, table: str, segment: int, chunk: int) -> str:
    """Return a new key for an attempt at a chunk.

    Every attempt writes its own object, and the state machine passes on the key that the attempt returned.
    So the object of a late attempt is never read.
    """
    attempt = secrets.token_hex(4)
    return f"{table_folder(run.id, run.started_at, kind, table)}{segment}/{chunk}-{attempt}.json.gz"


def table_folder(run: str, started_at: datetime, kind: ChunkKind, table: str) -> str:
    """Return the prefix of the keys of a run's chunks of a table."""
    return f"runs/{started_at:%Y-%m-%d}/{run}/{kind}/{table}/"


def rejects_key(staged_key: str) -> str:
    """Return the key of a staged chunk's rejects."""
    return staged_key.replace(f"/{ChunkKind.STAGED}/", f"/{ChunkKind.REJECTS}/", 1)


def drift_key(staged_key: str) -> str:
    """Return the key of a staged chunk's drift counts."""
    return staged_key.replace(f"/{ChunkKind.STAGED}/", f"/{ChunkKind.DRIFT}/", 1)


def export_key(run: Run, table: str) -> str:
    """Return the key of a table's export (`saveCsv`)."""
    return f"exports/{run.id}/{table}.csv.gz"


@dataclass(frozen=True, slots=True)
class Staging:
    """The staging bucket, with an S3 client that respects the function's deadline."""

    bucket: str
    s3: Any

    @contextmanager
    def create(self, key: str, table: Table | None = None) -> Iterator[BinaryIO]:
        """Write a gzipped object as a stream; an error leaves no object behind.

        For rows, pass the `table` whose columns they contain, in its order. Raises `TransientError` if a fresh attempt
        may succeed.
        """
        metadata = {_COLUMNS: table.fingerprint} if table else {}
        with clients.translate_errors(f"writing {key}"), Upload(self.s3, self.bucket, key, metadata) as upload:
            with gzip_format.writer(cast("BinaryIO", upload)) as stream:
                yield cast("BinaryIO", stream)
            upload.complete()

    @contextmanager
    def open(self, key: str, table: Table | None = None) -> Iterator[io.BufferedIOBase]:
        """Read a gzipped object as a stream of decompressed bytes.

        Raises `StagingError` if it is missing, truncated, or staged for columns other than the columns of `table`,
        if given; `TransientError` if the connection broke.
        """
        try:
            with clients.translate_errors(f"reading {key}"):
                answer = self.s3.get_object(Bucket=self.bucket, Key=key)
                if table:
                    _check_columns(key, answer["Metadata"].get(_COLUMNS), table)
                # Its own context manager would return urllib3's stream, which checks neither length nor checksum.
                with closing(answer["Body"]) as body:
                    try:
                        with gzip_format.reader(body) as stream:
                            yield stream
                    except gzip_format.DAMAGE:
                        body.read(1)  # boto3 detects a truncated transfer only when it reads the end
                        raise
        except ClientError as error:
            if clients.error_code(error) != "NoSuchKey":
                raise
            raise StagingError(f"{key}: the bucket {self.bucket} contains no such object") from error
        except gzip_format.DAMAGE as error:
            raise StagingError(f"{key}: the gzip stream is truncated or damaged") from error

    def lines(self, key: str) -> Iterator[bytes]:
        """Yield an object's lines without line breaks; raises the errors of `open`, at the latest at the end."""
        with self.open(key) as stream:
            # Iterating over a GzipFile would copy a page again for each 128 KiB of it. `split` checks every byte
            # separately, which takes 25 times as long as `find`.
            parts: list[bytes] = []
            while block := stream.read1(_READ_BYTES):
                start = 0
                while (end := block.find(b"\n", start)) >= 0:
                    yield b"".join([*parts, block[start:end]])
                    parts, start = [], end + 1
                parts.append(block[start:])
            if line := b"".join(parts):
                yield line


def _check_columns(key: str, found: str | None, table: Table) -> None:
    if found != table.fingerprint:
        raise StagingError(
            f"{key}: staged for different columns of {table.name} than those deployed now "
            f"(fingerprint {found or 'missing'}, expected {table.fingerprint}); start a new run"
        )
