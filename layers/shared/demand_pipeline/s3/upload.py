"""Uploads a file to S3 while it is written, through a buffer of one part."""

import io
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from demand_pipeline.observability import logger
from demand_pipeline.s3 import multipart
from demand_pipeline.s3.multipart import Multipart

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Upload(io.RawIOBase):
    """A binary file that becomes the object `key` when `complete` is called, or nothing at all.

    S3 stores `metadata` with it. A small object is sent in one request, a larger one part by part. boto3's
    `upload_fileobj` reads from a file, which would need a thread and a pipe here.
    """

    def __init__(self, s3: Any, bucket: str, key: str, metadata: Mapping[str, str]) -> None:
        super().__init__()
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._metadata = dict(metadata)
        self._buffer = io.BytesIO()
        self._upload: Multipart | None = None
        self._tags: list[str] = []

    def writable(self) -> bool:
        """Return true, as io expects of a writable file."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Buffer bytes, and send a part as soon as it is large enough."""
        written = self._buffer.write(data)
        if self._buffer.tell() >= multipart.PART_BYTES:
            self._send_part()
        return written

    def complete(self) -> None:
        """Complete the upload: the whole object appears."""
        if self._upload is None:
            self._s3.put_object(Bucket=self._bucket, Key=self._key, Metadata=self._metadata, Body=self._body())
        else:
            if self._buffer.tell():
                self._send_part()
            self._upload.complete(self._tags)
            self._upload = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._upload is not None:
            # Best effort: the bucket's lifecycle removes the rest after a day.
            self._abort(self._upload)
        self.close()

    def _send_part(self) -> None:
        if self._upload is None:
            self._upload = Multipart.start(self._s3, self._bucket, self._key, self._metadata)
        self._tags.append(self._upload.send(len(self._tags) + 1, self._body()))
        self._buffer.seek(0)

    def _body(self) -> BinaryIO:
        """Return the bytes since the last part, as a file, because botocore copies bytes before it sends them over TLS.

        The buffer is reused because glibc does not return freed blocks of this size to the system.
        """
        self._buffer.truncate()
        self._buffer.seek(0)
        return self._buffer

    def _abort(self, upload: Multipart) -> None:
        try:
            upload.abort()
        except Exception:  # noqa: BLE001 - the original error is the one to show
            logger.warning("multipart upload left to the lifecycle", extra={"key": upload.key})
