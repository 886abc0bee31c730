"""A declaration that cannot work is refused when it is read, in words that say what to change."""

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Column, ColumnType, Table

KEY = Column("id", ColumnType.TEXT, "id", "The key.", key=True)


def declare(*columns: Column) -> Table:
    return Table("things", "things", "Things.", columns)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], "things: expected at least one key column, got none"),
        ([KEY, KEY], "things: expected each column once, got id twice"),
        ([KEY, Column("extra", ColumnType.JSONB, "extra", "")], "things: expected no column named extra"),
        ([Column("id", ColumnType.TEXT, "a.id", "", key=True)], "things.id: expected a key at the item's top"),
        ([KEY, Column("total", ColumnType.NUMERIC, "amounts..net", "")], "things.total: expected attribute names"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(columns: list[Column], message: str) -> None:
    with pytest.raises(ValueError, match="things") as caught:
        declare(*columns)
    assert str(caught.value).startswith(message)


def test_extra_comes_last_in_what_is_stored() -> None:
    for table in TABLES.values():
        assert table.stored_columns[-1].name == "extra"
        assert table.stored_columns[:-1] == table.columns
