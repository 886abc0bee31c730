"""Rejects in a file: private, exact, one record per line."""

import csv
import json
from pathlib import Path

import pytest

from demand.rejects.export import export
from demand_pipeline.contracts.operating.rejects import RejectedItem

ITEM = {"id": "=1+1", "amount": 1.50, "note": 'a "b"\r\n\x1b[31m\u202e@c'}
REJECT = RejectedItem("run", "cases", '{"id": "=1+1"}', "amount: expected numeric, got S '=1+1'", json.dumps(ITEM))


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_an_export_is_readable_by_its_owner_only_whatever_was_there(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"rejects.{suffix}"
    for _ in range(2):
        assert export([REJECT], file) == 1
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o644)


def test_an_export_has_the_values_as_they_are(tmp_path: Path) -> None:
    for suffix in ("csv", "jsonl"):
        export([REJECT] * 2, tmp_path / f"rejects.{suffix}")
    with (tmp_path / "rejects.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    lines = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [json.loads(row["item"]) for row in rows] == [line["item"] for line in lines] == [ITEM, ITEM]
    assert [row["reason"] for row in rows] == [line["reason"] for line in lines] == [REJECT.reason] * 2
