"""A run that failed, mended and redriven through the ordinary API."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from local import seed
from local.sample import Sample
from tests.e2e.conftest import Client, Deploy, End, Start

SECOND, LAST = (f"Transform{camel_case(list(TABLES)[number])}" for number in (1, -1))

pytestmark = pytest.mark.xdist_group("e2e")


def tasks(events: list[Any], kind: str) -> Counter[tuple[str, Any]]:
    """Name and segment of every task in the history that was entered or exited."""
    found: Counter[tuple[str, Any]] = Counter()
    for event in events:
        if event["type"] == f"TaskState{kind}":
            details = event[f"state{kind}EventDetails"]
            data = json.loads(details["input" if kind == "Entered" else "output"])
            found[details["name"], data.get("segment") if isinstance(data, dict) else None] += 1
    return found


def history(states: Any, arn: str) -> list[Any]:
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event for page in pages for event in page["events"]]


def test_a_redrive_calls_only_what_had_failed_or_been_aborted(
    client: Client,
    exported: Mapping[str, str],
    start: Start,
    ended: End,
    deploy: Deploy,
) -> None:
    dynamodb = client("dynamodb")
    seed.create_tables(dynamodb)
    sample = Sample(60)
    seed.write_sample(dynamodb, sample, lambda _: None)
    states = client("stepfunctions")
    deploy(SECOND, segment=1, seconds=3)
    deploy(LAST, segment=0, seconds=60)
    arn = start({})
    failed = ended(arn)
    assert (failed["status"], failed["error"]) == ("FAILED", "RuntimeError")
    assert "a bug that only this segment meets" in failed["cause"]
    before = history(states, arn)

    deploy(SECOND)
    deploy(LAST)
    states.redrive_execution(executionArn=arn)
    redriven = ended(arn)

    assert (redriven["status"], redriven["redriveCount"]) == ("SUCCEEDED", 1)
    after = history(states, arn)[len(before) :]
    assert after[0]["type"] == "ExecutionRedriven"
    succeeded, called_again = tasks(before, "Exited"), tasks(after, "Entered")
    unfinished = tasks(before, "Entered") - succeeded
    assert {(SECOND, 1), (LAST, 0)} <= unfinished.keys()
    assert unfinished.keys() <= called_again.keys()
    assert not succeeded.keys() & called_again.keys()

    # The staging bucket tells it again: every attempt writes a key of its own.
    pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=exported["STAGING_BUCKET"])
    keys = [item["Key"] for page in pages for item in page.get("Contents", ()) if redriven["name"] in item["Key"]]
    raw = Counter(key.rpartition("-")[0] for key in keys if "/raw/" in key)
    scanned_again = [key for key, attempts in raw.items() if attempts > 1]
    assert all(
        ("Scan" + camel_case(key.split("/")[4]), int(key.split("/")[5])) in called_again for key in scanned_again
    )
    loaded = {table["table"]: (table["scanned"], table["rejected"]) for table in redriven["output"]["tables"]}
    assert loaded == {name: (items, sample.rejected[name]) for name, items in sample.items.items()}
