r"""Staged rows as CSV for COPY, nearly always without being parsed.

A row is staged as a JSON array of strings, numbers, booleans and nulls, without white space between
them (to CSV a space is text). Without its brackets that is a line of CSV, if COPY is told that `\`
escapes and that a bare `null` is NULL. Only JSON's other escapes (`\n`, `\u0001`, …) mean nothing to
COPY; lines with one of them are parsed and written again.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

OPTIONS = r"""(FORMAT csv, QUOTE '"', ESCAPE '\', NULL 'null', ENCODING 'UTF8')"""

BLOCK_BYTES = 1 << 18

# One of JSON's other escapes, or a backslash and a letter behind it.
_OTHER_ESCAPE = re.compile(rb"\\[nrtbfu/]")


class MalformedError(ValueError):
    """A line that is no row; the message does not quote it."""


def from_staged(stream: io.BufferedIOBase) -> Iterator[bytes]:
    """Yield the rows of a staged object as CSV, in blocks of about BLOCK_BYTES.

    Raises MalformedError if a line is not a JSON array of plain values.
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
        block += _line(row)
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def _convert(lines: bytes) -> bytes:
    """Whole lines of JSON arrays as lines of CSV."""
    if _has_json_escapes(lines):
        return b"".join([_convert_line(line) for line in lines.splitlines(keepends=True)])
    return _strip_brackets(lines)


def _strip_brackets(lines: bytes) -> bytes:
    if lines.startswith(b"[") and lines.endswith(b"]\n"):
        # Inside of a JSON string no line break is possible: `]`, break, `[` can only be the seam of two rows.
        rows = lines[1:-2].split(b"]\n[")
        rows.append(b"")  # for the last row's break
        stripped = b"\n".join(rows)
        if stripped.count(b"\n") == len(rows) - 1:
            return stripped
    raise MalformedError("expected one JSON array per line")


def _has_json_escapes(lines: bytes) -> bool:
    r"""Whether there is an escape of JSON's but `\\` and `\"`, which mean the same to COPY."""
    # Read from the left, what is left without the pairs begins an escape. Most blocks need no second look.
    return bool(_OTHER_ESCAPE.search(lines) and _OTHER_ESCAPE.search(lines.replace(rb"\\", b"")))


def _convert_line(line: bytes) -> bytes:
    if not _has_json_escapes(line):
        return _strip_brackets(line)
    try:
        row = json.loads(line, parse_int=_Number, parse_float=_Number)  # numbers stay the digits they are
        if isinstance(row, list):
            return _line(row)
    except (json.JSONDecodeError, UnicodeError):  # either would carry the line
        pass
    raise MalformedError("expected one JSON array in UTF-8 per line")


class _Number(str):
    """A number's digits."""

    __slots__ = ()


def _line(row: Iterable[Any]) -> bytes:
    return (",".join([_value(value) for value in row]) + "\n").encode()


def _value(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case _Number():
            return value
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    raise MalformedError(f"expected a string, number, boolean or null, got {type(value).__name__}")
