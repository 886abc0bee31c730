"""Converts arrays to their staged form: JSON strings that contain PostgreSQL's array literals."""

from collections.abc import Callable
from typing import Any

from demand_pipeline.dynamodb.typed_json import AttributeValue, TypeMismatch
from demand_pipeline.postgres.array_literal import array_element
from demand_pipeline.transform.jsonb import json_string
from demand_pipeline.transform.numbers import as_numeric, is_plain_number, sort_numbers


def text_array(kind: str, content: Any) -> str:
    """Convert SS, or L of S, to a staged array literal; raises ValueError for anything else."""
    match kind:
        case "SS":
            elements = [array_element(element) for element in sorted(content)]
        case "L":
            elements = [_array_element(element, "S", array_element) for element in content]
        case _:
            raise TypeMismatch
    return json_string("{" + ",".join(elements) + "}")


def numeric_array(kind: str, content: Any) -> str:
    """Convert NS, or L of N, to a staged array literal; raises ValueError for anything else."""
    match kind:
        case "NS":
            elements = sort_numbers(content)
        case "L":
            elements = [_array_element(element, "N", as_numeric) for element in content]
        case _:
            raise TypeMismatch
    return json_string("{" + ",".join(elements) + "}")


def _array_element(value: AttributeValue, wanted: str, as_element: Callable[[str], str]) -> str:
    [(kind, content)] = value.items()
    if kind == "NULL":
        return "NULL"
    if kind != wanted:
        raise TypeMismatch
    return as_element(content)


def text_set(elements: list[str]) -> str:
    """Convert SS to an array literal, faster if no element needs escaping."""
    plain = "".join(elements)
    if len(json_string(plain)) != len(plain) + len('""'):  # a character needs escaping
        return text_array("SS", elements)
    return '"{\\"' + '\\",\\"'.join(sorted(elements)) + '\\"}"'


def numeric_list(elements: list[AttributeValue]) -> str:
    """Convert L to an array literal, faster if all elements are plain numbers; raises ValueError for other types."""
    numbers = [element["N"] for element in elements if "N" in element]
    if len(numbers) != len(elements) or not all(map(is_plain_number, numbers)):
        return numeric_array("L", elements)
    return '"{' + ",".join(numbers) + '}"'
