"""`demand verify`, on runs of the real functions."""

from dataclasses import replace

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Column, ColumnType
from local.seed import key_item
from tests.demand.conftest import CASES, COUNT, Real, case

pytestmark = [pytest.mark.long, pytest.mark.slow]


def test_a_warehouse_that_has_what_its_run_read_is_equal_whatever_the_source_has_by_now(loaded: Real) -> None:
    whole, sample = ["verify", "--json"], ["verify", "--sample", "1000", "--json"]
    unchanged = {"changed": 0, "gone": 0, "new": 0}
    for words, new in ((whole, 0), (sample, None)):
        said = loaded.demand(*words)
        assert said.code == 0, said.err
        cases, metadata, audit = (said.json["tables"][number] for number in (0, 1, 3))
        assert (cases["rows"], cases["compared"], cases["rejected"]) == (COUNT + 1, COUNT + 3, 2)
        assert cases["since"] == metadata["since"] == unchanged | {"new": new}
        assert (metadata["rows"], audit["reason"]) == (0, "no run has loaded it")
    loaded.put(case(7, status={"S": "closed"}), case(200))
    loaded.dynamodb.delete_item(TableName=CASES.source, Key=key_item(CASES, 8))
    for words, new in ((whole, 1), (sample, None)):
        said = loaded.demand(*words)
        assert (said.code, said.json["tables"][0]["since"]) == (0, {"changed": 1, "gone": 1, "new": new})
    assert "matches the items that its runs read" in loaded.demand("verify").out
    assert loaded.demand("verify", "--sample", "20", "--json").json["tables"][0]["compared"] == 20


# What is done to the warehouse by hand: SQL, and the counts that verify then says.
BY_HAND = {
    "a changed value": ("UPDATE warehouse.cases SET status = 'closed' WHERE document_id = '{id}'", {"different": 1}),
    "a value that only looks the same": ("UPDATE warehouse.cases SET net_amount = net_amount * 1.0 WHERE net_amount > 1", {"different": 1}),
    "a deleted row": ("DELETE FROM warehouse.cases WHERE document_id = '{id}'", {"missing": 1}),
    "a row of nobody's": ("INSERT INTO warehouse.cases (document_id) VALUES ('by hand')", {"surplus": 1}),
    "a row in another's place": ("UPDATE warehouse.cases SET document_id = 'x' WHERE document_id = '{id}'", {"missing": 1, "surplus": 1}),
}  # fmt: skip


def test_what_was_changed_by_hand_is_a_real_difference(loaded: Real) -> None:
    loaded.warehouse.sql("CREATE TABLE warehouse.saved AS TABLE warehouse.cases")
    for change, (statement, counts) in BY_HAND.items():
        loaded.warehouse.sql(statement.format(id=key_item(CASES, 7)["documentId"]["S"]))
        said = loaded.demand("verify", "--tables", "cases", "--json")
        [cases] = said.json["tables"]
        found = {name: cases[name] for name in ("missing", "different", "surplus") if cases[name]}
        assert (said.code, found) == (1, counts), change
        assert len(cases["differences"]) == counts.get("missing", 0) + counts.get("different", 0), change
        assert "DIFFERS" in loaded.demand("verify", "--tables", "cases").out
        loaded.warehouse.sql("TRUNCATE warehouse.cases; INSERT INTO warehouse.cases TABLE warehouse.saved")
    assert loaded.demand("verify", "--tables", "cases").code == 0


def test_a_key_with_u0000_is_a_reject_and_the_key_that_looks_like_it_is_compared(loaded: Real) -> None:
    loaded.put(*({"documentId": {"S": key}, "status": {"S": repr(key)}} for key in ("k\0", "k\ufffd")))
    loaded.run("--max-reject-percent", "50")
    for words in (["verify"], ["verify", "--sample", "1000"]):
        said = loaded.demand(*words, "--tables", "cases", "--json")
        [cases] = said.json["tables"]
        assert (said.code, cases["rows"], cases["compared"], cases["rejected"]) == (0, COUNT + 2, COUNT + 5, 3)


def test_a_sample_finds_a_row_that_is_missing_by_the_count(loaded: Real) -> None:
    loaded.warehouse.sql("DELETE FROM warehouse.cases WHERE ctid = (SELECT max(ctid) FROM warehouse.cases)")
    said = loaded.demand("verify", "--tables", "cases", "--sample", "1", "--json")
    [cases] = said.json["tables"]
    assert (said.code, cases["missing"]) == (1, 1)


def test_a_declaration_that_is_not_deployed_is_refused_by_name(loaded: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    more = replace(CASES, columns=(*CASES.columns, Column("note", ColumnType.TEXT, "note", "A note.")))
    monkeypatch.setattr("demand.verify.verification.TABLES", TABLES | {"cases": more})
    said = loaded.demand("verify", "--tables", "cases", "--json")
    assert (said.code, said.json["error"]["kind"]) == (2, "InvalidEventError")
    assert "deploy, or check out the deployed commit" in said.json["error"]["message"]
