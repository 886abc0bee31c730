"""A small S3 in memory: it supports PUT, GET and multipart uploads, and fails for anything else.

The emulator's S3 takes 4 ms of CPU to write a megabyte and 2 ms to read it; this one takes 1 and 0.3. On two cores
the difference would count as this project's time.
"""

import re
import sys
from itertools import count
from pathlib import Path
from typing import NamedTuple

from benchmarks.server import Answer, Request, Server, serve

_PART = re.compile(rb"<PartNumber>(\d+)</PartNumber>")
_ETAG = {"ETag": '"any"'}  # S3 promises an MD5 only for some objects


class S3Server(Server):
    """The server, running during a `with` block, with TLS if a certificate's file is given; buckets always exist."""

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__("benchmarks.s3_server", str(certificate or ""), scheme="https" if certificate else "http")


class Object(NamedTuple):
    """A body and its metadata, as headers."""

    body: bytes
    metadata: dict[str, str]


class Objects:
    """The objects by path, and the uploads that are not complete yet."""

    def __init__(self) -> None:
        self._objects: dict[str, Object] = {}
        self._uploads: dict[str, tuple[dict[str, str], dict[int, bytes]]] = {}
        self._numbers = count(1)

    def answer(self, request: Request) -> Answer:
        """Answer a request; raises KeyError for an upload that does not exist."""
        metadata = {name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")}
        match request.method, request.query:
            case "PUT", {"uploadId": upload, "partNumber": number}:
                self._uploads[upload][1][int(number)] = request.body
            case "PUT", _:
                self._objects[request.path] = Object(request.body, metadata)
            case "POST", {"uploads": _}:
                upload = str(next(self._numbers))
                self._uploads[upload] = metadata, {}
                return Answer([f"<Upload><UploadId>{upload}</UploadId></Upload>".encode()])
            case "POST", {"uploadId": upload}:
                metadata, parts = self._uploads.pop(upload)
                body = b"".join([parts[int(number)] for number in _PART.findall(request.body)])
                self._objects[request.path] = Object(body, metadata)
                return Answer([b"<Complete><ETag>any</ETag></Complete>"])
            case "GET" | "HEAD", _:
                found = self._objects.get(request.path)
                if found is None:
                    return Answer([b"<Error><Code>NoSuchKey</Code></Error>"], status=404)
                return Answer([found.body], _ETAG | found.metadata)
        return Answer(headers=_ETAG)


if __name__ == "__main__":
    serve(Objects().answer, sys.argv[1])
