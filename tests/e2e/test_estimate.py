"""What `demand estimate` says of the local stack's tables, and what a run of them then reads."""

from collections.abc import Iterable, Mapping
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


PADDING = 60_000  # bytes: items of which few fill a page
LARGE, SECOND = list(TABLES)[:2]


def test_an_estimate_is_within_20_percent_of_what_the_run_then_uses(
    client: Client, exported: Mapping[str, str], refresh: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    stack = find_stack(config := find_config(Flags(stack="demand-pipeline-local")), Clients(config))
    dynamodb = client("dynamodb")
    seed.create_tables(dynamodb)
    write(dynamodb, LARGE, range(100))
    seed.write_sample(dynamodb, Sample(100), lambda _: None)
    assert refresh({"dryRun": True})["status"] == "SUCCEEDED"  # so the size of an item as JSON is known
    write(dynamodb, LARGE, range(1000, 1250))
    write(dynamodb, SECOND, range(1000, 1060))
    estimated = {table.table: table for table in estimate(stack).tables}
    run = refresh({"dryRun": True})
    assert run["status"] == "SUCCEEDED"
    used = {table["table"]: table for table in run["output"]["tables"]}
    assert estimated.keys() == used.keys() == TABLES.keys()
    for name, table in estimated.items():
        assert table.read_units == pytest.approx(used[name]["readUnits"], rel=0.2), name
        assert table.chunks == pytest.approx(used[name]["chunks"], rel=0.2), name
        assert (table.segments, table.items) == (used[name]["segments"], used[name]["scanned"]), name
    assert used[LARGE]["chunks"] > 2 * used[LARGE]["segments"]


def write(dynamodb: Any, table: str, numbers: Iterable[int]) -> None:
    for number in numbers:
        item = seed.key_item(TABLES[table], number + 1) | {"padding": {"S": "x" * PADDING}}
        dynamodb.put_item(TableName=seed.source_name(TABLES[table]), Item=item)
