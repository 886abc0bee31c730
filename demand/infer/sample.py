"""A sample from all parts of a DynamoDB table, within a limit of read units."""

import base64
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from demand.errors import DemandError, error_code
from demand_pipeline.dynamodb.typed_json import Item
from demand_pipeline.scan.segment import RateLimiter

_MOST_SEGMENTS = 64  # parts of the table that the sample comes from
_FIRST_ITEMS = 10  # of the first page: their size is unknown, and DynamoDB's largest items take 50 read units each
_PAGES_PER_SEGMENT = 4


@dataclass(frozen=True)
class Limits:
    """Limits of the sample: items, total read units, and read units per second."""

    items: int = 1000
    read_units: float = 200
    read_units_per_second: float = 50


@dataclass(frozen=True)
class SourceTable:
    """A description by DescribeTable. `keys` maps key attributes to their types (S, N or B), partition key first."""

    name: str
    arn: str
    keys: Mapping[str, str]
    items: int


@dataclass
class Sample:
    """Items in DynamoDB's JSON, and their read units. `complete` is whether they are the whole table."""

    table: SourceTable
    items: list[Item] = field(default_factory=list)
    read_units: float = 0.0
    complete: bool = False


def read_sample(dynamodb: Any, name: str, limits: Limits, limiter: RateLimiter | None = None) -> Sample:
    """Scan a few items of each of up to 64 segments, in random order; eventually consistent.

    A page exceeds the limit of read units if its items are larger than the items before. Raises DemandError for a table
    that does not exist.
    """
    sample = Sample(_describe(dynamodb, name))
    segments = min(_MOST_SEGMENTS, max(1, sample.table.items // _FIRST_ITEMS))
    order = Random(name).sample(range(segments), segments)  # noqa: S311 - the same for the same table
    waiting: deque[tuple[int, Any]] = deque((segment, None) for segment in order)
    pace = limiter or RateLimiter(limits.read_units_per_second)
    while waiting and (count := _next_items(sample, limits, segments)):
        segment, start = waiting.popleft()
        more = {"ExclusiveStartKey": start} if start else {}
        page = dynamodb.scan(
            TableName=name,
            Segment=segment,
            TotalSegments=segments,
            Limit=count,
            ReturnConsumedCapacity="TOTAL",
            **more,
        )
        units = float(page.get("ConsumedCapacity", {}).get("CapacityUnits", 0))
        sample.items += [as_sent(item) for item in page["Items"]]
        sample.read_units += units
        if "LastEvaluatedKey" in page:
            waiting.append((segment, page["LastEvaluatedKey"]))
        pace.spend(units)
    sample.complete = not waiting
    return sample


def _next_items(sample: Sample, limits: Limits, segments: int) -> int:
    """Return the maximum number of items on the next page: an even share, within the remaining read units."""
    left, units = limits.items - len(sample.items), limits.read_units - sample.read_units
    if left <= 0 or units <= 0:
        return 0
    if not sample.items:
        return min(left, _FIRST_ITEMS)
    affordable = int(units * len(sample.items) / max(sample.read_units, 0.5))
    return min(left, affordable, max(_FIRST_ITEMS, limits.items // segments // _PAGES_PER_SEGMENT))


def _describe(dynamodb: Any, name: str) -> SourceTable:
    try:
        found = dynamodb.describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error_code(error) not in ("ResourceNotFoundException", "ValidationException"):
            raise
        raise DemandError(
            "UnknownTable",
            f"no DynamoDB table {name!r}; {_existing(dynamodb)}",
            "give a table's name, or an ARN for a table of another account",
        ) from None
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in found["AttributeDefinitions"]}
    schema = sorted(found["KeySchema"], key=lambda entry: entry["KeyType"] != "HASH")
    keys = {entry["AttributeName"]: types[entry["AttributeName"]] for entry in schema}
    return SourceTable(found["TableName"], found["TableArn"], keys, found.get("ItemCount", 0))


def _existing(dynamodb: Any) -> str:
    try:
        names = dynamodb.list_tables(Limit=20)["TableNames"]
    except ClientError:
        return "the tables cannot be listed (dynamodb:ListTables)"
    return f"existing tables: {', '.join(names)}" if names else "there are no tables"


def as_sent(item: Mapping[str, Any]) -> Item:
    """Convert an item back to DynamoDB's format: boto3 has decoded its binary values."""
    return {name: _value_as_sent(value) for name, value in item.items()}


def _value_as_sent(value: Mapping[str, Any]) -> dict[str, Any]:
    [(kind, content)] = value.items()
    match kind:
        case "B":
            return {kind: base64.b64encode(content).decode()}
        case "BS":
            return {kind: [base64.b64encode(element).decode() for element in content]}
        case "L":
            return {kind: [_value_as_sent(element) for element in content]}
        case "M":
            return {kind: as_sent(content)}
    return {kind: content}
