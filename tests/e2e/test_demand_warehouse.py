"""The commands that ask the function in the VPC, on the deployed stack: by it, and directly."""

import json
from pathlib import Path

import pytest

from demand.overrides import written
from demand_pipeline.builders import TABLES
from local import sam, seed
from local.sample import Sample
from local.stack import Stack
from tests.e2e.test_demand import Demand, begin, demand

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.slow]

__all__ = ["begin", "demand"]  # fixtures
FIRST = next(iter(TABLES.values()))
BOTH = [[], ["--direct"]]


def test_doctor_verify_and_rejects_agree_whichever_way_they_ask(stack: Stack, demand: Demand, tmp_path: Path) -> None:
    deployed = sam.parameters(stack.client("cloudformation"))
    lines = ",".join(written(name, value) for name, value in deployed.items())
    samconfig = tmp_path / "samconfig.toml"
    samconfig.write_text(f'[default.deploy.parameters]\nstack_name = "{sam.STACK}"\nparameter_overrides = [{lines}]\n')
    dynamodb = stack.client("dynamodb")
    seed.create_tables(dynamodb)
    seed.write_sample(dynamodb, Sample(200), lambda _: None)
    assert demand("run", "--max-reject-percent", "10")[0] == 0
    for words in BOTH:
        code, out, _ = demand("doctor", "--config-file", str(samconfig), "--json", *words)
        found = json.loads(out)["findings"]
        assert (code, {finding["state"] for finding in found}) == (0, {"ok", "skipped"})
        # What the emulator does not have.
        assert {finding["subject"] for finding in found if finding["state"] == "skipped"} == {"retention", "policies"}
        code, out, err = demand("verify", "--json", *words)
        assert code == 0, err
        assert [table["table"] for table in json.loads(out)["tables"]] == list(TABLES)
    listed = [json.loads(demand("rejects", "--warehouse", "--json", *words)[1])["reasons"] for words in BOTH]
    assert listed[0] == listed[1] != []

    column = next(column for column in FIRST.columns if column.type == "text" and not column.key)
    stack.postgres.execute(f"UPDATE \"{FIRST.name}\" SET \"{column.name}\" = 'by hand' WHERE ctid = '(0,1)'")  # noqa: S608
    for words in BOTH:
        code, out, _ = demand("verify", "--tables", FIRST.name, "--json", *words)
        [table] = json.loads(out)["tables"]
        [difference] = table["differences"]
        assert (code, table["different"]) == (1, 1)
        [changed] = difference["columns"]
        assert (changed["column"], changed["found"]) == (column.name, "by hand")
