"""gzip with isal if the layer contains it (`variant.mk`), otherwise with the standard library: the same format."""

import gzip
import zlib
from typing import BinaryIO

NAME: str
"""The name of the compression library, for the logs."""
GzipFile: type[gzip.GzipFile]
DAMAGE: tuple[type[Exception], ...]
"""The exceptions of a stream that is truncated or damaged."""

try:
    from isal import igzip, isal_zlib
except ImportError:
    NAME = "zlib"
    GzipFile = gzip.GzipFile
    DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)
else:
    NAME = "isal"
    GzipFile = igzip.IGzipFile
    DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, isal_zlib.error)  # type: ignore[assignment]  # its stub is wrong

# Here the standard library's level 1 is three times as fast as its level 6, for a sixth more bytes. isal's level 1
# takes a quarter of that time, for the same number of bytes.
_COMPRESSION = 1


def writer(target: BinaryIO) -> gzip.GzipFile:
    """Return a stream that compresses into `target`; the same input always gives the same output."""
    return GzipFile(fileobj=target, mode="wb", compresslevel=_COMPRESSION, mtime=0, filename="")


def reader(source: BinaryIO) -> gzip.GzipFile:
    """Return a stream that decompresses `source`; reading raises one of DAMAGE if the source is incomplete."""
    return GzipFile(fileobj=source, mode="rb")
