"""Input and output of a scan."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from demand_pipeline.contracts.event import Run, read_event, read_table, to_camel_case
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.dynamodb.typed_json import Item
from demand_pipeline.errors import InvalidEventError
from demand_pipeline.tables import Table

type Keys = dict[str, Item | None]
"""Where to continue reading: by segment of the source, such as `5/8`, the last key read; None before the first."""


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """One chunk to scan: where to start, and when to stop.

    `start_keys` is the segment's last chunk's `next_keys`, None for the first chunk; `chunk_bytes` counts
    uncompressed pages; `read_units_per_second` is this segment's share, 0 for no limit; `max_items` is the
    remainder of the run's cap, None for no cap. `source_key` maps the source's key attributes to their types, as
    DynamoDB describes them; None if the execution was started with an older definition, which does not pass it.
    """

    run: Run
    table: Table
    source: str
    segment: int
    total_segments: int
    chunk: int
    start_keys: Keys | None
    chunk_bytes: int
    read_units_per_second: float
    max_items: int | None
    source_key: Mapping[str, str] | None = None

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Parse the event of a Scan state; raises `ContractVersionError`, `InvalidEventError`."""
        fields = read_event(event)
        segment, total = fields.integer("segment"), fields.integer("totalSegments", minimum=1)
        if segment >= total:
            raise InvalidEventError("segment", segment, f"a number below totalSegments, {total}")
        return cls(
            run=Run.read(fields),
            table=read_table(fields),
            source=fields.text("source"),
            segment=segment,
            total_segments=total,
            chunk=fields.integer("chunk"),
            start_keys=None if fields.is_null("startKeys") else _keys(fields, "startKeys"),
            chunk_bytes=fields.integer("chunkBytes", minimum=1),
            read_units_per_second=fields.number("readUnitsPerSecond"),
            max_items=None if fields.is_null("maxItems") else fields.integer("maxItems", minimum=1),
            source_key=fields.dictionary("sourceKey") if "sourceKey" in event else None,
        )


@dataclass(frozen=True, slots=True)
class ScanResult:
    """A raw chunk in S3 (`key`), and where the segment's next chunk starts; `next_keys` is None at the end."""

    key: str
    items: int
    pages: int
    bytes: int
    read_units: float
    next_keys: Keys | None

    def to_event(self) -> dict[str, Any]:
        """Return the result as the state machine reads it."""
        return to_camel_case(self)


_SEGMENT = re.compile(r"(\d+)/([1-9]\d*)", re.ASCII)


def _keys(event: Fields, name: str) -> Keys:
    fields = event.object(name)
    keys: Keys = {}
    for segment in event.dictionary(name):
        match = _SEGMENT.fullmatch(segment)
        if match is None or int(match[1]) >= int(match[2]):
            raise InvalidEventError(fields.path(segment), segment, "a segment and the number of segments, such as 5/8")
        keys[segment] = None if fields.is_null(segment) else _key(fields, segment)
    if not keys:
        raise InvalidEventError(event.path(name), keys, "at least one segment")
    return keys


_KEY_TYPES = ("S", "N", "B")


def _key(fields: Fields, name: str) -> Item:
    key, attributes = fields.dictionary(name), fields.object(name)
    if not key:
        raise InvalidEventError(fields.path(name), key, "a key in DynamoDB's JSON")
    for attribute in key:
        _check_key_value(attributes, attribute)
    return key


def _check_key_value(fields: Fields, name: str) -> None:
    value = fields.dictionary(name)
    kind = next(iter(value), None)
    if kind not in _KEY_TYPES or len(value) > 1:
        raise InvalidEventError(fields.path(name), value, f"one of the types {', '.join(_KEY_TYPES)}")
    typed = fields.object(name)
    text = typed.text(kind)
    if kind == "B":
        try:
            base64.b64decode(text, validate=True)
        except ValueError:
            raise InvalidEventError(typed.path(kind), text, "base64") from None
