"""`demand rejects` and its replay, on runs of the real functions."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import ColumnType
from tests.demand.conftest import CASES, Real, case

pytestmark = [pytest.mark.long, pytest.mark.slow]


def test_rejects_are_listed_by_reason_and_exported_from_either_place(loaded: Real, tmp_path: Path) -> None:
    run = loaded.demand("runs", "--json").json["runs"][0]["name"]
    for place, words in (("warehouse", ["--warehouse"]), ("staging", [run]), ("staging", [])):
        said = loaded.demand("rejects", *words, "--json").json
        [reason] = said["reasons"]
        assert (said["source"], said["complete"], reason["run"]) == (place, True, run)
        assert (reason["table"], reason["reason"], reason["items"]) == ("cases", "issue_date: expected date", 2)
        [sample] = reason["samples"]
        assert sample["reason"].startswith("issue_date: expected date, got S '")
        assert json.loads(sample["key"]).keys() == {"documentId"}
        shown = loaded.demand("rejects", *words).out
        assert "issue_date: expected date" in shown
        assert "got S" not in shown  # the value stands in its own column
        for suffix in ("csv", "jsonl"):
            file = tmp_path / f"{place}.{suffix}"
            assert loaded.demand("rejects", *words, "--export", str(file), "--json").json["exported"] == 2
            rows = exported(file)
            assert sorted(row["item"]["issueDate"] for row in rows) == ["31/12/2026", "soon"]
            assert {row["table"] for row in rows} == {"cases"}


def exported(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_text().splitlines()]
    return [{**row, "item": json.loads(row["item"])} for row in csv.DictReader(file.read_text().splitlines())]


def test_rejects_of_a_run_that_failed_are_listed_too(real: Real) -> None:
    real.put(case(1, issueDate={"S": "soon"}))
    said = real.demand("run", "--tables", "cases", "--json")
    assert said.code == 1
    run = said.json["run"]
    [reason] = said.json["reasons"]
    assert (reason["reason"], reason["items"]) == ("issue_date: expected date", 1)
    for words in ([run], []):
        assert real.demand("rejects", *words, "--json").json["reasons"][0]["items"] == 1
        told = real.demand("show", *words).out
        assert "issue_date: expected date" in told
        assert f"demand rejects {run}" in told
    assert real.demand("rejects", "replay", "--json").json["run"] == run
    assert real.demand("rejects", "--warehouse", "--json").json["reasons"] == []


def test_replay_says_how_many_would_pass_with_todays_declarations(
    loaded: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    [table] = loaded.demand("rejects", "replay", "--json").json["tables"]
    assert (table["rejects"], table["passing"], table["still"][0]["items"]) == (2, 0, 2)
    as_text = [
        replace(column, type=ColumnType.TEXT) if column.name == "issue_date" else column for column in CASES.columns
    ]
    monkeypatch.setitem(TABLES, "cases", replace(CASES, columns=tuple(as_text)))
    [table] = loaded.demand("rejects", "replay", "--json").json["tables"]
    assert (table["rejects"], table["passing"], table["still"]) == (2, 2, [])
