"""Reads a staged line back into the Python values that the reference speaks in."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from demand_pipeline.tables import Table


def staged_row(line: str, table: Table) -> dict[str, Any]:
    cells = json.loads(line, parse_float=str, parse_int=str)
    assert len(cells) == len(table.stored_columns)
    return {
        column.name: None if cell is None else python_value(column.type, cell)
        for column, cell in zip(table.stored_columns, cells, strict=True)
    }


def python_value(column_type: str, cell: Any) -> Any:
    """The value of a staged cell, or of PostgreSQL's text."""
    match column_type:
        case "boolean":
            return cell if isinstance(cell, bool) else cell == "true"
        case "numeric":
            return Decimal(cell)
        case "bigint":
            return int(cell)
        case "date":
            return date.fromisoformat(cell)
        case "timestamptz":
            return datetime.fromisoformat(cell)
        case "text[]":
            return array_elements(cell)
        case "numeric[]":
            return [None if element is None else Decimal(element) for element in array_elements(cell)]
        case "jsonb":
            return json.loads(cell, parse_float=Decimal, parse_int=Decimal)
        case "bytea":
            assert cell.startswith("\\x")
            return bytes.fromhex(cell[2:])
    return cell


def array_elements(literal: str) -> list[str | None]:
    """PostgreSQL's array literal, read a character at a time."""
    assert (literal[0], literal[-1]) == ("{", "}")
    elements: list[str | None] = []
    at, end = 1, len(literal) - 1
    while at < end:
        text, quoted = "", literal[at] == '"'
        at += quoted
        while at < end and literal[at] != ('"' if quoted else ","):
            at += literal[at] == "\\" and quoted
            text += literal[at]
            at += 1
        at += quoted
        elements.append(text if quoted or text != "NULL" else None)
        assert at == end or literal[at] == ","
        at += 1
    return elements
