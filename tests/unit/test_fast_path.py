"""The code that is generated for a table makes the rows that the column's cells make, and can be read."""

import json
import traceback
from random import Random
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.tables import Column, ColumnType, Table
from demand_pipeline.transform import fast_path, rows
from demand_pipeline.transform.rows import RowMaker, _cell
from local.sample import put
from local.sample_values import draw
from scripts import show_fast_path
from tests.support.aws import dynamodb_json
from tests.support.declarations import ODD, case
from tests.support.staged import staged_row


@pytest.mark.parametrize(
    "amounts", [{"M": {"net": {"N": "1.50"}, "x": {"S": "y"}}}, {"S": "none"}, {"NULL": True}, None]
)
def test_any_declaration_can_be_compiled(amounts: Any) -> None:
    item = case(**{'it\'s {a} "name"\\': {"S": "found"}, "other": {"N": "1"}})
    if amounts:
        item["amounts"] = amounts
    maker = RowMaker(ODD)
    assert maker.line(item) == maker.slow_path(item)
    assert staged_row(maker.line(item), ODD)["quoted"] == "found"


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_usual_item_goes_through_compiled_code(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def unusual(*_: Any) -> str:
        raise AssertionError

    def is_usual(column: Column) -> bool:
        return column.type == "text" and all(isinstance(step, str) for step in column.path)

    monkeypatch.setattr(RowMaker, "slow_path", unusual)
    monkeypatch.setattr(rows, "_cell", lambda column: unusual if is_usual(column) else _cell(column))
    random, maker = Random(1), RowMaker(table)  # noqa: S311
    for _ in range(20):
        item: dict[str, Any] = {}
        for column in table.columns:
            put(item, column, dynamodb_json(draw(column, random)))
        assert maker.line(item)


def test_a_traceback_shows_the_lines_of_the_generated_code() -> None:
    with pytest.raises(AttributeError) as caught:
        RowMaker(CASES)._fast_path(None)  # type: ignore[arg-type]
    assert "get_0 = map_0.get" in "".join(traceback.format_exception(caught.value))


def test_a_command_prints_the_generated_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["show_fast_path", "cases"])
    assert show_fast_path.main() == 0
    assert capsys.readouterr().out == fast_path.source(CASES)
    monkeypatch.setattr("sys.argv", ["show_fast_path", "nothing"])
    assert show_fast_path.main() == 2
    assert capsys.readouterr().err == f"table: expected one of {', '.join(TABLES)}, got 'nothing'\n"


def test_a_table_of_as_many_columns_as_postgresql_takes_is_compiled_at_once() -> None:
    columns = tuple(Column(f"c{i}", ColumnType.TEXT, f"c{i}", "It.", key=i == 0) for i in range(1599))
    line = RowMaker(Table("wide", "wide", "Wide.", columns)).line({"c0": {"S": "k"}, "c1598": {"S": "v"}})
    assert json.loads(line) == ["k", *[None] * 1597, "v", None]
