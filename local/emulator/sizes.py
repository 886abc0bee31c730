"""Sizes and read units of tables, which ministack invents: 200 bytes per item, and half a unit for any read."""

from math import ceil
from typing import Any

from ministack.services import dynamodb

from local.emulator.patching import Function, replaces

_HALF_UNIT_BYTES = 4096


@replaces(dynamodb, "_set_item")
def _set_item(original: Function, table: dict[str, Any], partition: str, sort: str, item: dict[str, Any]) -> Any:
    """AWS: TableSizeBytes is the sum of the items' sizes (as of the last six hours; here at once)."""
    size = table.get("TableSizeBytes", 0)
    old = original(table, partition, sort, item)
    table["TableSizeBytes"] = size + _bytes(item) - _bytes(old)
    return old


@replaces(dynamodb, "_remove_item")
def _remove_item(original: Function, table: dict[str, Any], partition: str, sort: str) -> Any:
    """AWS: TableSizeBytes shrinks with every removed item (here at once)."""
    size = table.get("TableSizeBytes", 0)
    old = original(table, partition, sort)
    table["TableSizeBytes"] = size - _bytes(old)
    return old


@replaces(dynamodb, "_add_consumed_capacity")
def _add_consumed_capacity(
    original: Function, result: dict[str, Any], request: dict[str, Any], *more: Any, **named: Any
) -> None:
    """AWS: a Scan or Query pays for its items' bytes, in steps of 4 KB; half of it if it is eventually consistent."""
    original(result, request, *more, **named)
    if "Items" in result and "ConsumedCapacity" in result and not named.get("index_name"):
        steps = max(1, ceil(sum(map(_bytes, result["Items"])) / _HALF_UNIT_BYTES))
        result["ConsumedCapacity"]["CapacityUnits"] = steps * (1.0 if request.get("ConsistentRead") else 0.5)


def _bytes(item: dict[str, Any] | None) -> int:
    size: int = dynamodb._item_size_bytes(item) if item else 0
    return size
