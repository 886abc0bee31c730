"""What `demand estimate` says of the local stack's tables, and what a run of them then reads."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from demand.aws import Clients
from demand.config import Flags, find_config
from demand.estimate import estimate
from demand.stack import find_stack
from demand_pipeline.builders import TABLES
from local import seed
from local.sample import Sample
from tests.e2e.conftest import Client, Refresh

pytestmark = pytest.mark.xdist_group("e2e")


def test_an_estimate_is_within_20_percent_of_what_the_run_then_reads(
    client: Client, exported: Mapping[str, str], refresh: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb = client("dynamodb")
    seed.create_tables(dynamodb)
    seed.write_sample(dynamodb, Sample(6000), lambda _: None)  # several pages in each half of a segment
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    config = find_config(Flags(stack="demand-pipeline-local"))
    estimated = {table.table: table for table in estimate(find_stack(config, Clients(config))).tables}
    output: dict[str, Any] = json.loads(refresh({})["output"])
    used = {table["table"]: table for table in output["tables"]}
    assert estimated.keys() == used.keys() == TABLES.keys()
    for name, table in estimated.items():
        assert table.read_units == pytest.approx(used[name]["readUnits"], rel=0.2), name
        assert table.chunks == pytest.approx(used[name]["chunks"], rel=0.2), name
        assert (table.segments, table.items) == (used[name]["segments"], used[name]["scanned"]), name
    assert max(table["chunks"] / table["segments"] for table in output["tables"]) > 1
