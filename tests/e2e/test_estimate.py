"""The estimate of `demand estimate` for the local stack's tables matches a run of them."""

from collections.abc import Iterable, Mapping

import pytest

from demand.aws import Clients
from demand.config import Flags, find_config
from demand.estimate import estimate
from demand.stack import find_stack
from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Table
from local import seed
from local.sample import Item, Sample
from tests.e2e.conftest import Client, Refresh

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.slow]


PADDING = 8_000  # bytes
LARGE = next(iter(TABLES))


def test_an_estimate_is_within_20_percent_of_what_the_run_then_uses(
    client: Client, exported: Mapping[str, str], refresh: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    stack = find_stack(config := find_config(Flags(stack="demand-pipeline-local")), Clients(config))
    dynamodb = client("dynamodb")
    seed.create_tables(dynamodb)
    seed.write_sample(dynamodb, [*Sample(100), *padded(range(10_000, 10_300))], lambda _: None)
    assert refresh({"dryRun": True})["status"] == "SUCCEEDED"  # so the size of items as JSON is known
    seed.write_sample(dynamodb, padded(range(10_300, 11_340)), lambda _: None)
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


def padded(numbers: Iterable[int]) -> list[tuple[Table, Item]]:
    """Large items of the first table: a few megabytes, so that a segment has several chunks."""
    table = TABLES[LARGE]
    return [(table, seed.key_item(table, number) | {"padding": {"S": "x" * PADDING}}) for number in numbers]
