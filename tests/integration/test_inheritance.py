"""Tables that inherit from those of the warehouse are somebody else's: no statement of a load reaches their rows."""

import re
from typing import Any

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from tests.integration.conftest import IN_ONE_TRANSACTION
from tests.support.runs import Runs, documents, reject, run_at
from tests.support.warehouse import Warehouse

_OURS = ("cases", "rejected_items")
# Statements that read, change or lock the rows of whatever inherits from a table, too, unless it says ONLY.
_REACHES = re.compile(
    rf'(?:\bFROM|\bJOIN|^UPDATE|^TRUNCATE|^LOCK TABLE|,)\s+(?P<only>ONLY )?"warehouse"\."(?:{"|".join(_OURS)})"',
    re.MULTILINE,
)


@IN_ONE_TRANSACTION
def test_tables_that_inherit_keep_their_rows(runs: Runs, warehouse: Warehouse, strategy: Strategy) -> None:
    runs.load(
        run_at(1), {"cases": [runs.chunk(run_at(1), "cases", documents(3), [reject("x")])]}, max_reject_percent=100
    )
    warehouse.sql(
        "CREATE SCHEMA mine; CREATE TABLE mine.old_cases () INHERITS (warehouse.cases);"
        "CREATE TABLE mine.old_items () INHERITS (warehouse.rejected_items);"
        "INSERT INTO mine.old_cases SELECT * FROM ONLY warehouse.cases;"
        "INSERT INTO mine.old_items SELECT * FROM ONLY warehouse.rejected_items"
    )
    result = runs.load(run_at(2), {"cases": documents(2)}, max_shrink_percent=40)
    [table] = result.tables
    assert (table.previous_rows, table.loaded, table.deleted) == (3, 2, 3 if strategy is Strategy.TRUNCATE else 1)
    counts = (
        "SELECT (SELECT count(*) FROM ONLY warehouse.cases), (SELECT count(*) FROM mine.old_cases),"
        "(SELECT count(*) FROM mine.old_items)"
    )
    assert warehouse.sql(counts) == "2|3|1"


@IN_ONE_TRANSACTION
def test_a_reader_of_a_table_that_inherits_does_not_hold_up_a_load(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1))
    warehouse.sql("CREATE SCHEMA mine; CREATE TABLE mine.old_cases () INHERITS (warehouse.cases)")
    warehouse.sql("GRANT USAGE ON SCHEMA mine TO PUBLIC; GRANT SELECT ON mine.old_cases TO PUBLIC")
    with open_session(warehouse.settings, "reader", Timeouts()) as reader:
        reader.execute("BEGIN")
        reader.query("SELECT count(*) FROM mine.old_cases")
        assert runs.load(run_at(2), {"cases": documents(2)}).committed


@IN_ONE_TRANSACTION
def test_every_statement_that_names_a_target_means_that_table_alone(
    runs: Runs, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    query = Connection.query

    def recorded(connection: Connection, sql: str, **parameters: Any) -> Any:
        statements.append(sql)
        return query(connection, sql, **parameters)

    monkeypatch.setattr(Connection, "query", recorded)
    for hour in (1, 2):
        chunk = runs.chunk(run_at(hour), "cases", documents(hour), [reject("x")])
        runs.load(run_at(hour), {"cases": [chunk]}, max_reject_percent=100, max_shrink_percent=0)
    reaching = [(match, sql) for sql in statements for match in _REACHES.finditer(sql)]
    assert len(reaching) > 5
    assert [sql for match, sql in reaching if not match["only"]] == []
