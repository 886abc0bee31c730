"""Exports rejects to a file: JSON lines or CSV, depending on its suffix. Numbers keep their digits in both."""

import csv
import json
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from demand.errors import UsageError
from demand.private_file import open_private
from demand_pipeline.contracts.operating.rejects import RejectedItem

_FIELDS = ("run", "table", "reason", "key", "item")


def export(items: Iterable[RejectedItem], file: Path) -> int:
    """Write the items and return how many; raises UsageError for an unknown suffix or an unwritable file."""
    write = _writer(file)
    try:
        with TextIOWrapper(open_private(file), encoding="utf-8", newline="") as stream:
            return write(items, stream)
    except OSError as error:
        raise UsageError(f"--export {file}: {error.strerror}") from error


def check_suffix(file: Path) -> None:
    """Raise UsageError for a file that cannot be exported to, before anything is read."""
    _writer(file)


def _writer(file: Path) -> Callable[[Iterable[RejectedItem], TextIO], int]:
    suffix = file.suffix.lower()
    if suffix not in _WRITERS:
        raise UsageError(f"--export {file}: expected a name ending in {', '.join(_WRITERS)}, got {suffix or 'none'}")
    return _WRITERS[suffix]


def _json_lines(items: Iterable[RejectedItem], stream: TextIO) -> int:
    count = 0
    for count, item in enumerate(items, 1):  # noqa: B007 - the last one is the number of items
        run, table, reason = (json.dumps(text, ensure_ascii=False) for text in (item.run, item.table, item.reason))
        # Key and item are already JSON; if they were parsed and written again, numbers would lose digits.
        stream.write(
            f'{{"run": {run}, "table": {table}, "reason": {reason}, "key": {item.key}, "item": {item.item}}}\n'
        )
    return count


def _csv(items: Iterable[RejectedItem], stream: TextIO) -> int:
    writer = csv.writer(stream)
    writer.writerow(_FIELDS)
    count = 0
    for count, item in enumerate(items, 1):  # noqa: B007 - the same
        writer.writerow([getattr(item, field) for field in _FIELDS])
    return count


_WRITERS = {".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _csv}
