"""A run that failed, mended and redriven through the ordinary API."""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from local import seed
from local.sample import Sample
from local.stack import Stack
from tests.e2e.conftest import Client, End, Start

SECOND, LAST = (f"Transform{camel_case(list(TABLES)[number])}" for number in (1, -1))

pytestmark = pytest.mark.xdist_group("e2e")

# Deployed over two functions: one segment fails, another table's is then still at work and is aborted.
BROKEN = """
import time
import original

def lambda_handler(event, context):
    if event["segment"] == {segment}:
        time.sleep({seconds})
        raise RuntimeError("a bug that only this segment meets")
    return original.lambda_handler(event, context)
"""


def archive(folder: Path, broken: str | None = None) -> bytes:
    """A function's code as `sam build` left it, wrapped in a bug where one is given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in folder.rglob("*.py"):
            name = str(path.relative_to(folder))
            archive.write(path, "original.py" if broken and name == "app.py" else name)
        if broken:
            archive.writestr("app.py", broken)
    return buffer.getvalue()


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
    stack: Stack,
    client: Client,
    exported: Mapping[str, str],
    start: Start,
    ended: End,
) -> None:
    dynamodb = client("dynamodb")
    seed.create_tables(dynamodb)
    sample = Sample(60)
    seed.write_sample(dynamodb, sample, lambda _: None)
    functions, states = client("lambda"), client("stepfunctions")
    resources = client("cloudformation").describe_stack_resources(StackName="demand-pipeline-local")["StackResources"]
    names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}

    def deploy(function: str, broken: str | None = None) -> None:
        code = archive(stack.folder / "sam" / "build" / function, broken)
        functions.update_function_code(FunctionName=names[function], ZipFile=code)

    deploy(SECOND, BROKEN.format(segment=1, seconds=3))
    deploy(LAST, BROKEN.format(segment=0, seconds=60))
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
