r"""Converts staged rows to CSV for COPY, without parsing them.

A row is staged as a JSON array of strings, numbers, booleans and nulls, without white space between
them (in CSV a space is text). Without its brackets it is a line of CSV, if `\` is COPY's ESCAPE and a
bare `null` its NULL. COPY does not interpret JSON's other escapes (`\n`, `\u0001`, …), so they are
replaced with the characters that they represent.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

OPTIONS = r"""(FORMAT csv, QUOTE '"', ESCAPE '\', NULL 'null', ENCODING 'UTF8')"""

BLOCK_BYTES = 1 << 18

# One of JSON's other escapes, or a surrogate pair of two. All are short, so `_text_of` caches the last ones.
_ESCAPE = re.compile(rb"\\(?:[nrtbf/]|u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|u[0-9A-Fa-f]{0,4})")


class MalformedError(ValueError):
    """A line is not a row; the message does not quote it."""


def from_staged(stream: io.BufferedIOBase) -> Iterator[bytes]:
    r"""Yield the rows of a staged object as CSV, in blocks of about BLOCK_BYTES.

    Raises MalformedError if a line has no brackets, or contains an invalid `\u` escape. Values are not checked here.
    """
    rest = b""
    while data := stream.read1(BLOCK_BYTES):
        head, newline, tail = data.rpartition(b"\n")
        if newline:
            yield _convert(b"".join((rest, head, newline)))
            rest = tail
        else:
            rest += tail  # the row is longer than a block
    if rest:
        raise MalformedError("the last row does not end in a line break")


def from_values(rows: Iterable[tuple[str | None, ...]]) -> Iterator[bytes]:
    """Yield rows of texts and nulls as CSV, in blocks of about BLOCK_BYTES."""
    block = bytearray()
    for row in rows:
        block += (",".join(["null" if value is None else f'"{_escaped(value)}"' for value in row]) + "\n").encode()
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def _convert(lines: bytes) -> bytes:
    """Convert whole lines of JSON arrays to lines of CSV."""
    rows = _strip_brackets(lines)
    if not _ESCAPE.search(rows):  # true of most blocks
        return rows
    # Once the escaped backslashes are split off, every other backslash begins an escape.
    return rb"\\".join([_ESCAPE.sub(_text, part) for part in rows.split(rb"\\")])


def _strip_brackets(lines: bytes) -> bytes:
    if lines.startswith(b"[") and lines.endswith(b"]\n"):
        # A JSON string cannot contain a line break: `]`, break, `[` can only be the boundary of two rows.
        rows = lines[1:-2].split(b"]\n[")
        rows.append(b"")  # for the last row's break
        stripped = b"\n".join(rows)
        if stripped.count(b"\n") == len(rows) - 1:
            return stripped
    raise MalformedError("expected one JSON array per line")


def _text(escape: re.Match[bytes]) -> bytes:
    return _text_of(escape[0])


@lru_cache(256)
def _text_of(escape: bytes) -> bytes:
    """Return the characters that an escape represents, escaped for COPY."""
    try:
        return _escaped(json.loads(b'"%b"' % escape)).encode()
    except ValueError:  # of JSON or of UTF-8; both would quote the text
        raise MalformedError("invalid JSON escape sequence") from None


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
