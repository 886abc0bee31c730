"""gzip by isal where the layer has it (`variant.mk`), otherwise by the standard library: the same format."""

import gzip
import zlib
from typing import BinaryIO

NAME: str
"""The library that compresses, as the logs name it."""
GzipFile: type[gzip.GzipFile]
DAMAGE: tuple[type[Exception], ...]
"""What a stream raises that is cut short or damaged."""

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

# The standard library's level 1 is three times as fast as its level 6 here, for a sixth more bytes; isal's level 1
# takes a quarter of that time, for no more bytes.
_COMPRESSION = 1


def writer(target: BinaryIO) -> gzip.GzipFile:
    """A stream that compresses into `target`; the same bytes in give the same bytes out."""
    return GzipFile(fileobj=target, mode="wb", compresslevel=_COMPRESSION, mtime=0, filename="")


def reader(source: BinaryIO) -> gzip.GzipFile:
    """A stream of what `source` holds compressed; reading it raises one of DAMAGE if that is not complete."""
    return GzipFile(fileobj=source, mode="rb")
