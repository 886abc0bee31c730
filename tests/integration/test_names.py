"""Columns named like whatever our SQL names, and values that an array literal could take for something else."""

import json
import re
from collections.abc import Iterator
from itertools import batched
from typing import Any

import pytest

from demand.verify.rows import Difference, ExpectedRow, cells_of, differences
from demand.warehouse import Warehouse as Asked
from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.postgres.statements import Sql, quote
from demand_pipeline.tables import _SYSTEM_COLUMNS, EXTRA, Column, ColumnType, Table
from demand_pipeline.transform.rows import RowMaker
from tests.integration.conftest import EVERY_STRATEGY
from tests.support.operate import ask
from tests.support.queries import LIBRARY, QUERIES
from tests.support.runs import Runs, reject, run_at
from tests.support.warehouse import Warehouse

pytestmark = [EVERY_STRATEGY, pytest.mark.usefixtures("environment")]

# Names that no SQL of ours has, but that must be quoted wherever a statement has them.
QUOTED = ('"', "it's", "a\\b", "{name}", ":name", "$1", "%s", "a,b", "--", "/*", "größe 🌻", "Name", "NULL")
# fmt: off
VALUES = ("null", "Null", "NULL", "", "{}", "}{", '"', "it's", "\\", '\\"', ",", "a,b", "(,)", ":name", "$1", " ", "\\N")
# fmt: on


def statements() -> Iterator[str]:
    """Our statements, without comments, and the texts in Python that may become parts of them."""
    yield from [re.sub("--.*", "", text) for text in QUERIES.values()]
    for module in LIBRARY.rglob("*.py"):
        if "Sql" in (text := module.read_text()):
            yield "\n".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', text))


def names() -> list[str]:
    """Every word of our SQL, as a column can be named; `extra` and the system's are no names of columns."""
    words = {word.lower() for text in statements() for word in re.findall(r"\w+", text)}
    return sorted(words.union(QUOTED) - {EXTRA.name, *_SYSTEM_COLUMNS})


def key_names() -> list[str]:
    """The names that statements with a key use for their own tables and columns."""
    keyed = [text for text in statements() if re.search(r"\{\w*key\}", text)]
    found = {name for text in keyed for name in re.findall(r"\bAS (\w+)", text)}
    return sorted(found) + ["null"] * (len(found) % 2)


def declare() -> list[Table]:
    """Tables that have all the names, each with a key of two of the key's names; each is named like its key."""
    keys = list(batched(key_names(), 2, strict=True))
    kinds = (ColumnType.TEXT, ColumnType.TEXT, ColumnType.TEXT_ARRAY, ColumnType.JSONB)
    tables = []
    for number, key in enumerate(keys):
        columns = [Column(name, ColumnType.TEXT, (name,), "It.", key=True) for name in key]
        others = [name for name in names()[number :: len(keys)] + key_names() if name not in key]
        columns += [Column(name, kinds[i % len(kinds)], (name,), "It.") for i, name in enumerate(dict.fromkeys(others))]
        tables.append(Table(key[0], key[0], "It.", tuple(columns)))
    return tables


def item(table: Table, key: str, value: str) -> dict[str, Any]:
    values = {column.name: value for column in table.columns} | {column.name: key for column in table.key}
    return {
        column.name: {"L": [{"S": value}, {"NULL": True}]}
        if column.type is ColumnType.TEXT_ARRAY
        else {"S": values[column.name]}
        for column in table.columns
    }


def load(runs: Runs, hour: int, items: dict[str, list[dict[str, Any]]], **options: Any) -> None:
    run, chunks = run_at(hour), {}
    for name, content in items.items():
        rows = map(json.loads, lines(TABLES[name], content))
        chunks[name] = [runs.chunk(run, name, rows, [reject("x")])]
    runs.load(run, chunks, max_reject_percent=100, **options)


def lines(table: Table, items: list[dict[str, Any]]) -> list[str]:
    maker = RowMaker(table)
    return [maker.make(item).line for item in items]


def compared(table: Table, items: list[dict[str, Any]]) -> list[Difference]:
    rows = [ExpectedRow("", cells_of(line)) for line in lines(table, items)]
    return list(differences(Asked(lambda event: ask(event["action"], **event["arguments"])), table, rows))


def stored(warehouse: Warehouse, table: Table) -> dict[str, dict[str, Any]]:
    """The rows as psql finds them, by their keys."""
    rows = Sql(f"(SELECT * FROM warehouse.{quote(table.name)})")  # noqa: S608 - names of our own
    shown = warehouse.sql(f"SELECT to_jsonb(the_row) - 'extra' FROM {rows} AS the_row")  # noqa: S608 - the same
    return by_key(table, [json.loads(line) for line in shown.splitlines()])


def plain(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value["S"] if "S" in value else [value["L"][0]["S"], None] for name, value in item.items()}


def by_key(table: Table, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row[table.key[0].name]: row for row in rows}


def test_no_name_and_no_text_is_taken_for_another(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = declare()
    for table in tables:
        monkeypatch.setitem(TABLES, table.name, table)
        runs.tables[table.name] = table
    first = {table.name: [item(table, value, value) for value in VALUES] for table in tables}
    # One row goes, one comes, and one has other values.
    changed = {table.name: item(table, VALUES[-1], "null,") for table in tables}
    second = {t.name: [*first[t.name][1:-1], changed[t.name], item(t, "new", "new")] for t in tables}
    load(runs, 1, first)
    load(runs, 2, second, save_csv=True)

    for table in tables:
        assert stored(warehouse, table) == by_key(table, [plain(each) for each in second[table.name]])
        assert compared(table, second[table.name]) == []
        gone, other = compared(table, [first[table.name][0], first[table.name][-1]])
        assert (gone.missing, other.missing) == (True, False)
        names_of_values = [column.name for column in table.columns if not column.key]
        assert [column.column for column in other.columns] == names_of_values
        [reason] = ask("rejects", run="run-2", table=table.name, samples=1)["reasons"]
        [rejected] = ask("rejected_items", run="run-2", table=table.name, after=None)["items"]
        assert (reason["items"], json.loads(rejected["item"])["documentId"]) == (1, "x")
        if runs.strategy is Strategy.SWAP:
            diff = ask("diff", table=table.name, samples=9)
            assert (diff["added"], diff["removed"], diff["changed"]) == (1, 1, 1)
            assert diff["changed_rows"] == [{"key": json.dumps([VALUES[-1]] * 2), "columns": names_of_values}]
            assert [column["column"] for column in diff["columns"]] == names_of_values
    assert [f for f in ask("check", strategy=runs.strategy)["findings"] if f["state"] != "ok"] == []
    if runs.strategy is Strategy.SWAP:
        ask("rollback", run="run-2", by="a test", reason="none")
        for table in tables:
            assert compared(table, first[table.name]) == []
