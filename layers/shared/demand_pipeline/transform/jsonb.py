"""Converts typed values to plain JSON text for jsonb: digits are unchanged, and never pass through float."""

import re
from json.encoder import encode_basestring
from typing import Any

from demand_pipeline.dynamodb.typed_json import AttributeValue, Item
from demand_pipeline.transform.numbers import as_json_number, is_plain_number, sort_numbers

json_string = encode_basestring
"""Encodes a string as JSON without escaping non-ASCII characters: the C encoder of json.dumps."""

# PostgreSQL cannot store U+0000 or, since its text is UTF-8, half a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def to_json(value: AttributeValue) -> str:
    """Convert one typed value to JSON text: N to a number, B to base64 text, sets to sorted arrays.

    Raises ValueError for a type that DynamoDB does not have, or an N that is not a number.
    """
    if "M" in value:
        return map_to_json(value["M"])
    if "L" in value:
        return "[" + ",".join([map_to_json(e["M"]) if "M" in e else to_json(e) for e in value["L"]]) + "]"
    [(kind, content)] = value.items()
    return _scalar_to_json(kind, content)


def _scalar_to_json(kind: str, content: Any) -> str:
    match kind:
        case "S" | "B":
            return json_string(content)
        case "N":
            return as_json_number(content)
        case "BOOL":
            return "true" if content else "false"
        case "NULL":
            return "null"
        case "SS" | "BS":
            return "[" + ",".join([json_string(element) for element in sorted(content)]) + "]"
        case "NS":
            return "[" + ",".join([as_json_number(element) for element in sort_numbers(content)]) + "]"
        case _:
            raise ValueError(f"expected a DynamoDB type, got {kind}")


def map_to_json(item: Item) -> str:
    """Convert the members of a map or an item to a JSON object."""
    members = []
    for name, value in item.items():
        # Strings and plain numbers, by far the most members, are written without another call.
        if "S" in value:
            members.append(f"{json_string(name)}:{json_string(value['S'])}")
        elif "N" in value and is_plain_number(number := value["N"]):
            members.append(f"{json_string(name)}:{number}")
        else:
            members.append(f"{json_string(name)}:{to_json(value)}")
    return f"{{{','.join(members)}}}"


def item_to_json(item: Item) -> str:
    """Convert a whole item to a JSON object that PostgreSQL can store, whatever its content."""
    return map_to_json(sanitize(item))


def sanitize(value: Any) -> Any:
    """Replace every character that PostgreSQL cannot store with U+FFFD."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {sanitize(name): sanitize(content) for name, content in value.items()}
    if isinstance(value, list):
        return [sanitize(element) for element in value]
    return value
