"""Declarations to convert by: the project's tables, any others, and an odd one."""

from typing import Any

import pytest
from hypothesis import strategies as st

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Column, ColumnType, Table
from tests.support.strategies import tables

DECLARATIONS = pytest.mark.parametrize(
    "declarations", [*map(st.just, TABLES.values()), tables()], ids=[*TABLES, "any declaration"]
)

# A second column of an attribute, one of a whole map next to its member's, and names that want quoting.
ODD = Table(
    name="odd",
    source="odd",
    description="Odd.",
    columns=(
        Column("id", ColumnType.TEXT, "documentId", "It.", key=True),
        Column("same_id", ColumnType.JSONB, "documentId", "It."),
        Column("whole", ColumnType.JSONB, "amounts", "It."),
        Column("net", ColumnType.NUMERIC, "amounts.net", "It."),
        Column("quoted", ColumnType.TEXT, 'it\'s {a} "name"\\', "It."),
        Column("dotted", ColumnType.TEXT, ("unit.price", "in-net 1.5"), "It."),
        Column("first_sku", ColumnType.TEXT, ("lines", 0, "sku"), "It."),
        Column("second_tag", ColumnType.TEXT, ("tags", 1), "It."),
        Column("tags", ColumnType.JSONB, "tags", "It."),
        Column("corner", ColumnType.BIGINT, ("box", "corners", 1, 0), "It."),
    ),
)


def case(**attributes: Any) -> dict[str, Any]:
    return {"documentId": {"S": "doc-1"}, **attributes}
