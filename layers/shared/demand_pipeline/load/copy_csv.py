r"""Staged rows as CSV for COPY, without being parsed.

A row is staged as a JSON array of strings, numbers, booleans and nulls, without white space between
them (to CSV a space is text). Without its brackets that is a line of CSV, if COPY is told that `\`
escapes and that a bare `null` is NULL. Only JSON's other escapes (`\n`, `\u0001`, …) mean nothing to
COPY: what they stand for is written in their place.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

OPTIONS = r"""(FORMAT csv, QUOTE '"', ESCAPE '\', NULL 'null', ENCODING 'UTF8')"""

BLOCK_BYTES = 1 << 18

# One of JSON's other escapes, or two that are one character. None is long: `_text_of` keeps the last ones.
_ESCAPE = re.compile(rb"\\(?:[nrtbf/]|u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|u[0-9A-Fa-f]{0,4})")


class MalformedError(ValueError):
    """A line that is no row; the message does not quote it."""


def from_staged(stream: io.BufferedIOBase) -> Iterator[bytes]:
    r"""Yield the rows of a staged object as CSV, in blocks of about BLOCK_BYTES.

    Raises MalformedError if a line has no brackets, or a `\u` that is no character. Values are not checked here.
    """
    rest = b""
    while data := stream.read1(BLOCK_BYTES):
        head, newline, tail = data.rpartition(b"\n")
        if newline:
            yield _convert(b"".join((rest, head, newline)))
            rest = tail
        else:
            rest += tail  # a row longer than a block
    if rest:
        raise MalformedError("expected a line break after the last row, got none")


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
    """Whole lines of JSON arrays as lines of CSV."""
    rows = _strip_brackets(lines)
    if not _ESCAPE.search(rows):  # as in most blocks
        return rows
    # Read from the left, what is left without the escaped backslashes begins an escape.
    return rb"\\".join([_ESCAPE.sub(_text, part) for part in rows.split(rb"\\")])


def _strip_brackets(lines: bytes) -> bytes:
    if lines.startswith(b"[") and lines.endswith(b"]\n"):
        # Inside of a JSON string no line break is possible: `]`, break, `[` can only be the seam of two rows.
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
    """What an escape stands for, as COPY reads it in quotes."""
    try:
        return _escaped(json.loads(b'"%b"' % escape)).encode()
    except ValueError:  # of JSON or of UTF-8; either would carry the text
        raise MalformedError("expected escapes of JSON, got others") from None


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
