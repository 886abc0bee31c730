"""A load refuses damaged objects, wrong counts, equal keys, and tables that shrink."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.contracts.loading import StagedChunk, Strategy
from demand_pipeline.errors import DuplicateKeyError, ReconciliationError, ShrinkLimitError, StagingError
from tests.integration.conftest import EVERY_STRATEGY, IN_ONE_TRANSACTION
from tests.support.aws import BUCKET
from tests.support.runs import Runs, documents, row, run_at
from tests.support.warehouse import Warehouse


def cut_short(chunk: StagedChunk) -> None:
    s3 = boto3.client("s3")
    answer = s3.get_object(Bucket=BUCKET, Key=chunk.key)
    s3.put_object(Bucket=BUCKET, Key=chunk.key, Metadata=answer["Metadata"], Body=answer["Body"].read()[:-9])


def lose(chunk: StagedChunk) -> None:
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=chunk.key)


# Of an object with three rows: rows in their place, or what happens to it.
DAMAGES: dict[str, list[Any] | Callable[[StagedChunk], None]] = {
    "cut short": cut_short,
    "lost": lose,
    "a row more": [*documents(3), row("cases", document_id="one more")],
    "a row less": documents(2),
    "a column more": [[*values, "more"] for values in documents(3)],
    "a column less": [values[:-1] for values in documents(3)],
    "a wrong type": documents(3, page_count="tel. 555-0199"),
    "an object": [*documents(2), {"tel": "555-0199"}],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_staged_object_loads_nothing(runs: Runs, warehouse: Warehouse, damage: Any) -> None:
    runs.load(run_at(1), {"cases": documents(2), "audit": []})
    run = run_at(2)
    chunks = [runs.chunk(run, "cases", documents(3), number=number) for number in (0, 1)]
    if callable(damage):
        damage(chunks[1])
    else:
        runs.write(chunks[1].key, damage, CASES)
    with pytest.raises(StagingError) as caught:
        runs.load(run, {"audit": [row("audit", audit_id="a")], "cases": chunks})
    assert chunks[1].key in str(caught.value)
    assert "555-0199" not in str(caught.value) + repr(caught.value.__cause__)
    assert [warehouse.count(table) for table in ("cases", "audit", "pipeline_runs")] == [2, 0, 1]
    warehouse.wait_until_closed()


def test_counts_that_do_not_add_up_are_refused(runs: Runs, warehouse: Warehouse) -> None:
    run = run_at(1)
    chunk = runs.chunk(run, "cases", documents(3), scanned=4)
    with pytest.raises(ReconciliationError, match=r"of 4 scanned items of .* 3 were staged and 0 rejected"):
        runs.load(run, {"cases": [chunk]})


@IN_ONE_TRANSACTION
def test_rows_that_vanish_on_their_way_into_the_table_are_noticed(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    warehouse.sql(
        "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER swallow BEFORE INSERT ON warehouse.cases FOR EACH ROW EXECUTE FUNCTION public.swallow()"
    )
    left = {Strategy.TRUNCATE: 0, Strategy.MERGE: 2}[runs.strategy]
    with pytest.raises(ReconciliationError, match=f"cases: 3 rows staged, but {left} in the table"):
        runs.load(run_at(2), {"cases": documents(3)})
    assert warehouse.count("cases") == 2
    warehouse.wait_until_closed()


def test_two_rows_with_one_key_are_refused_without_telling_it(runs: Runs, warehouse: Warehouse) -> None:
    with pytest.raises(DuplicateKeyError, match="constraint cases_") as caught:
        runs.load(run_at(1), {"cases": [row("cases", document_id="tel-555")] * 2})
    assert "tel-555" not in str(caught.value)
    assert caught.value.__context__ is None  # the driver's error holds the row
    warehouse.wait_until_closed()


def test_a_table_that_would_shrink_by_more_than_the_limit_stays(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(100)}, max_shrink_percent=0)
    chunk = runs.chunk(run_at(2), "cases", documents(89))
    lose(chunk)  # it is refused before that is noticed
    with pytest.raises(
        ShrinkLimitError, match=r"cases: 89 rows staged, 100 in the table, 11.00% fewer, .*MaxShrinkPercent.* is 10"
    ):
        runs.carry_out(runs.request(run_at(2), {"cases": [chunk]}, max_shrink_percent=10))
    assert runs.load(run_at(2), {"cases": documents(90)}, max_shrink_percent=10).committed
    assert runs.load(run_at(3), {"cases": []}).committed  # the limit is off by default


@EVERY_STRATEGY
def test_shrinkage_is_judged_by_the_rows_that_are_there(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(20)})
    warehouse.sql("DELETE FROM warehouse.cases")
    result = runs.load(run_at(2), {"cases": documents(5)}, max_shrink_percent=10)
    assert result.tables[0].previous_rows == 0
