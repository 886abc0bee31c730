"""How many bytes DynamoDB counts for an item, which is what reading it is billed by."""

import base64
import json
from typing import Any

from benchmarks.items import make_items

_SAMPLE = 2000


def stored_bytes(item: dict[str, Any]) -> int:
    """An item's size by DynamoDB's rules ("Item sizes and formats"): names and values, without the wire's types."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(typed: dict[str, Any]) -> int:
    """Strings in UTF-8, two digits a byte, and for a map or list 3 bytes and 1 a member."""
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            size = len(value.encode())
        case "N":
            digits = value.lstrip("-").replace(".", "").strip("0")
            size = (len(digits) + 1) // 2 + 1
        case "B":
            size = len(base64.b64decode(value))
        case "SS" | "NS" | "BS":
            size = sum(_value_bytes({kind[0]: member}) for member in value)
        case "M":
            size = 3 + len(value) + stored_bytes(value)
        case "L":
            size = 3 + len(value) + sum(map(_value_bytes, value))
        case _:  # BOOL and NULL
            size = 1
    return size


def mean_stored_bytes() -> float:
    """The mean size of the benchmark's items."""
    return sum(stored_bytes(json.loads(item)) for item in make_items(_SAMPLE)) / _SAMPLE
