"""Uploads an object to S3 in parts, which several calls may send."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Self

# S3 accepts at most 10,000 parts, of at least 5 MiB except for the last: objects up to 80 GB, with 8 MiB of memory.
PART_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Multipart:
    """An upload that is started and not yet completed."""

    s3: Any
    bucket: str
    key: str
    id: str

    @classmethod
    def start(cls, s3: Any, bucket: str, key: str, metadata: Mapping[str, str] | None = None) -> Self:
        """Start an upload; S3 stores `metadata` with the object."""
        created = s3.create_multipart_upload(Bucket=bucket, Key=key, Metadata=dict(metadata or {}))
        return cls(s3, bucket, key, created["UploadId"])

    @property
    def _place(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key, "UploadId": self.id}

    def send(self, number: int, body: BinaryIO) -> str:
        """Send a part (numbers start at 1) and return its tag for `complete`."""
        return str(self.s3.upload_part(**self._place, PartNumber=number, Body=body)["ETag"])

    def complete(self, tags: list[str]) -> None:
        """Complete the upload: the whole object appears."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        self.s3.complete_multipart_upload(**self._place, MultipartUpload={"Parts": parts})

    def abort(self) -> None:
        """Abort the upload and discard its parts."""
        self.s3.abort_multipart_upload(**self._place)
