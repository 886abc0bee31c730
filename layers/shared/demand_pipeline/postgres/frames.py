"""Passes the rows of a COPY from one session to another, message by message.

PostgreSQL sends one message per row, and accepts the same messages as input. pg8000 handles each message in Python.
Here only their ends are looked for (PostgreSQL's manual, 55.7: one byte for the type, then the length, which includes
itself).
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from pg8000 import core

_BLOCK_BYTES = 1 << 18
_HEADER_BYTES = 5
_length_of = struct.Struct("!xi").unpack_from
_COPY_DATA = core.COPY_DATA[0]


def read_frames(driver: Any, sql: str) -> Iterator[bytes]:
    """Run `COPY … TO STDOUT` and yield its messages in blocks of whole messages; raises pg8000's errors."""
    context = core.Context(sql, stream=_NoStream())
    driver.send_QUERY(sql)
    core._flush(driver._sock)  # noqa: SLF001 - pg8000 has no public access to its messages
    rest = b""
    while True:
        data = rest + driver._sock.read1(_BLOCK_BYTES)  # noqa: SLF001 - the same
        if len(data) == len(rest):
            raise core.InterfaceError("network error")
        first = at = 0
        while at + _HEADER_BYTES <= len(data) and (end := at + 1 + _length_of(data, at)[0]) <= len(data):
            if data[at] != _COPY_DATA:
                if first < at:
                    yield data[first:at]
                code = data[at : at + 1]
                driver.message_types[code](data[at + _HEADER_BYTES : end], context)
                first = end
                if code == core.READY_FOR_QUERY:
                    if context.error is not None:
                        raise context.error
                    return
            at = end
        if first < at:
            yield data[first:at]
        rest = data[at:]


def write_frames(driver: Any, frames: Iterable[bytes]) -> Iterator[bytes]:
    """Send messages unchanged, as the stream of a `COPY … FROM STDIN`; it yields nothing for pg8000 to send."""
    for block in frames:
        core._write(driver._sock, block)  # noqa: SLF001 - pg8000 would wrap the block in a message
    return
    yield  # makes this an iterator, as pg8000 expects


class _NoStream:
    """The attributes that pg8000 reads when a COPY begins."""

    def write(self, data: bytes) -> None:
        """Do nothing: `read_frames` reads the rows, so pg8000 never calls this."""
