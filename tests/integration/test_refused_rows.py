"""Rows that only the warehouse refuses: the error names the rule, the items, and the statement that helps."""

import random
import re
import string
from typing import Any, NamedTuple

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import RefusedRowError, SchemaMismatchError, StagingError
from tests.support.runs import Runs, documents, row, run_at
from tests.support.warehouse import Warehouse

LONG = "".join(random.Random(1).choices(string.ascii_letters, k=5_000))  # noqa: S311 - nothing compresses it
SECRET = "tel-555"


def case(name: str, **values: Any) -> list[Any]:
    return row("cases", **{"document_id": name, "status": "new", "supplier_name": SECRET, **values})


class Rule(NamedTuple):
    """An object that somebody adds to the table, the rows that it refuses then, and the error's text about them."""

    sql: str
    refused: list[list[Any]]
    message: str
    strategies: tuple[Strategy, ...] = tuple(Strategy)


IN_PLACE = (Strategy.TRUNCATE, Strategy.MERGE)
BAD = '{"documentId": "bad"}'
FIRST = f"cases: it refuses {BAD}, perhaps others"
RULES = {
    "a NOT NULL": Rule(
        "ALTER TABLE warehouse.cases ALTER status SET NOT NULL",
        [case("bad", status=None)],
        f"cases: its column status is NOT NULL, and it refuses 1 item: {BAD}; run",
    ),
    "a CHECK": Rule(
        "ALTER TABLE warehouse.cases ADD CONSTRAINT positive CHECK (gross_amount >= 0)",
        [case("bad", gross_amount=-1), case("worse", gross_amount=-2)],
        f'positive is CHECK ((gross_amount >= (0)::numeric)), and it refuses 2 items: {BAD}, {{"documentId": "worse"}}; run',
    ),
    "a long entry of an index": Rule(
        "CREATE INDEX own ON warehouse.cases (supplier_name)",
        [case("bad", supplier_name=LONG)],
        f"its index own allows entries of at most 2704 bytes, and it refuses 1 item: {BAD} (5000 bytes); run",
    ),
    "a long element of an index": Rule(
        "CREATE INDEX own ON warehouse.cases USING gin (tags)",
        [case("bad", tags=f"{{{LONG}}}")],
        FIRST,
    ),
    "a UNIQUE constraint": Rule(
        "ALTER TABLE warehouse.cases ADD CONSTRAINT once UNIQUE (invoice_number)",
        [case("bad", invoice_number="1"), case("worse", invoice_number="1")],
        f'by once, and it refuses 2 items: {BAD}, {{"documentId": "worse"}}; run',
        IN_PLACE,
    ),
    "an exclusion constraint": Rule(
        "ALTER TABLE warehouse.cases ADD CONSTRAINT apart EXCLUDE (invoice_number WITH =)",
        [case("bad", invoice_number="1"), case("worse", invoice_number="1")],
        f'and it refuses 2 items: {BAD}, {{"documentId": "worse"}}; run',
        IN_PLACE,
    ),
    "a foreign key": Rule(
        "CREATE TABLE public.states (state text PRIMARY KEY); INSERT INTO public.states VALUES ('new');"
        "GRANT SELECT, REFERENCES ON public.states TO pipeline;"
        "ALTER TABLE warehouse.cases ADD CONSTRAINT known FOREIGN KEY (status) REFERENCES public.states",
        [case("bad", status="old")],
        f"its constraint known is FOREIGN KEY (status) REFERENCES public.states(state), and it refuses 1 item: {BAD}; run",
    ),
    "a domain": Rule(
        "CREATE DOMAIN public.brief AS text CHECK (length(VALUE) < 4);"
        "ALTER TABLE warehouse.cases ADD COLUMN code public.brief GENERATED ALWAYS AS (status) STORED",
        [case("bad", status="older")],
        FIRST,
    ),
    "a length": Rule(
        "ALTER TABLE warehouse.cases ADD COLUMN code varchar(3) GENERATED ALWAYS AS (status) STORED",
        [case("bad", status="older")],
        FIRST,
    ),
    "an expression of an index": Rule(
        "CREATE INDEX own ON warehouse.cases ((1 / version))",
        [case("bad", version=0)],
        FIRST,
    ),
    "a CHECK of a column of their own": Rule(
        "ALTER TABLE warehouse.cases ADD COLUMN most numeric DEFAULT 5, ADD CONSTRAINT capped CHECK (gross_amount < most)",
        [case("bad", gross_amount=6)],
        f"its constraint capped is CHECK ((gross_amount < most)), and it refuses {BAD}, perhaps others; run",
    ),
}


@pytest.mark.parametrize(
    ("rule", "strategy"), [(name, strategy) for name, rule in RULES.items() for strategy in rule.strategies]
)
def test_a_rule_of_others_that_refuses_items_is_named_with_their_keys_and_the_statement(
    runs: Runs, warehouse: Warehouse, rule: str
) -> None:
    sql, refused, message, _ = RULES[rule]
    runs.load(run_at(1), {"cases": documents(2, status="new")})
    before = warehouse.sql("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') ORDER BY 1")
    warehouse.sql(sql)
    rows = [*[case(f"good-{number}", gross_amount=1, version=1) for number in range(300)], *refused]
    rows.insert(150, rows.pop())
    request = runs.request(run_at(2), {"cases": rows})
    with pytest.raises(RefusedRowError, match=re.escape(message)) as caught:
        runs.carry_out(request)
    assert SECRET not in str(caught.value)
    assert "withheld" not in str(caught.value)
    assert warehouse.count("cases") == 2
    left = warehouse.sql("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') ORDER BY 1").splitlines()
    assert not [name for name in left if "probe" in name or "chunk" in name], before
    for removal in re.findall("; run (.*?;)", str(caught.value)):
        warehouse.sql(f"SET ROLE pipeline; {removal}")
    if message.endswith("; run"):
        assert runs.carry_out(request).committed


@pytest.mark.parametrize("strategy", [Strategy.TRUNCATE])
def test_a_reference_to_a_table_that_truncate_would_empty_is_refused_before_a_row_is_copied(
    runs: Runs, warehouse: Warehouse
) -> None:
    runs.load(run_at(1), {"cases": documents(2)})
    warehouse.sql("CREATE TABLE public.notes (id text REFERENCES warehouse.cases)")
    chunk = runs.chunk(run_at(2), "cases", documents(3))
    runs.staging.s3.delete_object(Bucket=runs.staging.bucket, Key=chunk.key)  # nobody reads it
    message = (
        "cases: the foreign key notes_id_fkey of public.notes refers to it, so truncate cannot replace its rows; run"
    )
    with pytest.raises(SchemaMismatchError, match=message) as caught:
        runs.load(run_at(2), {"cases": [chunk]})
    warehouse.sql(str(caught.value).partition("; run ")[2])
    assert runs.load(run_at(3), {"cases": documents(3)}).committed


@pytest.mark.parametrize("strategy", [Strategy.MERGE])
def test_rows_that_others_refer_to_are_named_when_they_cannot_be_deleted(runs: Runs, warehouse: Warehouse) -> None:
    runs.load(run_at(1), {"cases": documents(3)})
    warehouse.sql(
        "CREATE TABLE public.notes (id text REFERENCES warehouse.cases); INSERT INTO public.notes VALUES ('doc-2');"
        "GRANT SELECT ON public.notes TO pipeline"
    )
    message = 'the foreign key notes_id_fkey of public.notes refers to it, and it refuses 1 item: {"documentId": "doc-2"}; run'
    with pytest.raises(RefusedRowError, match=re.escape(message)):
        runs.load(run_at(2), {"cases": documents(1)})


@pytest.mark.parametrize("strategy", [Strategy.MERGE])
def test_rows_that_exchange_unique_values_are_told_from_rows_that_share_them(runs: Runs, warehouse: Warehouse) -> None:
    numbers = [case("a", invoice_number="1"), case("b", invoice_number="2")]
    runs.load(run_at(1), {"cases": numbers})
    warehouse.sql("ALTER TABLE warehouse.cases ADD CONSTRAINT once UNIQUE (invoice_number)")
    message = "by once, and it refuses rows that only change; run ALTER TABLE .* declare it DEFERRABLE"
    with pytest.raises(RefusedRowError, match=message):
        runs.load(run_at(2), {"cases": [case("a", invoice_number="2"), case("b", invoice_number="1")]})


@pytest.mark.parametrize("strategy", [Strategy.SWAP])
def test_a_chunk_that_no_table_takes_is_damaged_and_no_item_is_blamed(runs: Runs, warehouse: Warehouse) -> None:
    with pytest.raises(StagingError, match="the lines are not rows of cases: SQLSTATE 22P02"):
        runs.load(run_at(1), {"cases": [case("a", page_count=SECRET)]})
